package graph

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wasmill/wasmill/sdk/abi"
)

// builder checks a job against modules and connectors. It goes on where Parse ended:
// it reads values with the same parser.
type builder struct {
	*parser
	catalog  Catalog
	resolver Resolver
	modules  map[string]resolved
	byName   map[string]*vertex
	claimed  map[string]string // exclusive settings, and the operator that has each
	read     map[port]bool     // outputs that inputs name
	keyedBy  map[*vertex]bool  // those that were asked about so far
}

type resolved struct {
	info ModuleInfo
	err  error
}

// Build checks a job against what modules describe and connectors take, and lays out
// its plan. The error is Problems: those of Parse and its own, all at once.
//
// It asks the resolver for each module once; with a resolver and a catalog that
// answer the same, the same file gives the same plan. A job is built once.
func Build(job *Job, modules Resolver, connectors Catalog) (*Plan, error) {
	b := &builder{
		parser: &parser{findings: &job.findings, file: job.File, options: job.options, dir: job.dir, job: job}, catalog: connectors,
		resolver: modules, modules: map[string]resolved{}, byName: map[string]*vertex{}, claimed: map[string]string{},
		read: map[port]bool{}, keyedBy: map[*vertex]bool{},
	}
	for _, o := range job.vertices {
		b.byName[o.name] = o
		for _, in := range o.inputs {
			b.read[port{in.from, in.output}] = true
		}
	}
	for _, o := range job.vertices {
		b.checkParallelism(o)
		switch o.role {
		case RoleSource:
			o.gives, o.own, o.known = []string{"out"}, 1, true
			b.refuseModuleFields(o)
			b.readConnector(o)
		case RoleSink:
			o.takes, o.known = []string{"in"}, true
			b.refuseModuleFields(o)
			b.readConnector(o)
		case RoleModule:
			b.readModule(o)
		}
		b.rejectOutput(o)
	}
	edges := b.connect()
	for _, o := range job.vertices {
		b.checkKeys(o)
	}
	order := b.order(edges)
	b.checkFirst(edges, order)
	if err := b.err(); err != nil {
		return nil, err
	}
	b.adviseEndless(edges, order)
	return b.plan(edges, order), nil
}

// Load is Parse and Build: the plan of a job file, or all that is wrong with it.
func Load(file string, data []byte, options Options, modules Resolver, connectors Catalog) (*Plan, error) {
	job, err := Parse(file, data, options)
	if job == nil {
		return nil, err
	}
	return Build(job, modules, connectors)
}

// parallelism is 0 if what the file says about it is wrong: then nothing follows from
// it.
func (b *builder) parallelism(o *vertex) int {
	if o.parallelismV != nil {
		return o.parallelism
	}
	return b.job.Parallelism
}

func (b *builder) checkParallelism(o *vertex) {
	if n := b.parallelism(o); n > b.job.MaxParallelism {
		at := o.at.named()
		if o.parallelismV != nil {
			at = o.parallelismV.at()
		}
		b.add(at, "raise maxParallelism", "parallelism %d is above maxParallelism %d", n, b.job.MaxParallelism)
	}
}

func (b *builder) refuseModuleFields(o *vertex) {
	b.refuseField(o.at.get("limits"), "remove it", "is for modules")
	b.refuseField(o.at.get("env"), "remove it", "is for modules")
	b.refuseField(o.at.get("window"), "remove it", "is for modules")
	b.refuseField(o.at.get("state"), "remove it", "is for modules")
	if o.role == RoleSink {
		b.refuseField(o.at.get("watermark"), "remove it", "is for sources and modules")
	}
}

// readModule asks what the module describes and checks the operator against it.
func (b *builder) readModule(o *vertex) {
	b.refuseField(o.with, "write the settings of a module under config", "is for sources and sinks")
	b.refuseField(o.decode, "remove it", "is for sources")
	b.refuseField(o.encode, "remove it", "is for sinks")
	b.refuseField(o.key, "remove it", "is for sources")
	b.refuseField(o.timestamp, "remove it", "is for sources")
	r, asked := b.modules[o.what]
	if !asked {
		r.info, r.err = b.resolver(o.what)
		b.modules[o.what] = r
	}
	if r.err != nil {
		first, _, _ := strings.Cut(r.err.Error(), "\n") // the rest are details: a trace
		b.add(o.whatV.at(), "", "%s", oneLine(errors.New(first)))
		return
	}
	d := r.info.Description
	o.module = &Module{SHA256: r.info.SHA256, Path: o.what, Shape: string(d.Shape), Env: o.env}
	o.takes, o.gives, o.own, o.known = d.Inputs, slices.Clone(d.Outputs), len(d.Outputs), true
	if d.Shape == abi.ShapeSource {
		o.takes = nil
	}
	o.keepsKey = d.KeepsKey
	b.checkStart(o, &r.info)
	o.module.Config = b.readConfig(o, d.Config)
	b.checkWindow(o, &d)
	b.checkState(o, &d)
	b.checkHeap(o, &r.info)
}

// checkStart refuses limits that the module passes before it does anything.
func (b *builder) checkStart(o *vertex, info *ModuleInfo) {
	if most := o.limits.Memory; most > 0 && info.Memory > most {
		b.add(o.at.get("limits").get("memory").at(), "raise the limit", "the memory of the module starts with %s", sizeText(info.Memory))
	}
	if most := o.limits.TableEntries; most > 0 && info.Table > most {
		b.add(o.at.get("limits").get("tableEntries").at(), "raise the limit", "a table of the module starts with %d entries", info.Table)
	}
}

// rejectOutput adds the output that onReject: {to: name} makes.
func (b *builder) rejectOutput(o *vertex) {
	if o.reject != RejectTo || o.rejectTo == "" || !o.known {
		return
	}
	switch {
	case o.role == RoleSink:
		b.add(o.rejectV.named(), "write fail or skip", "a sink has no outputs")
	case slices.Contains(o.gives, o.rejectTo):
		b.add(o.rejectV.get("to").at(), "choose another name", "the operator has an output %s of its own", quote(o.rejectTo))
	default:
		o.gives = append(o.gives, o.rejectTo)
	}
}

// plan numbers operators in topological order and writes everything down.
func (b *builder) plan(edges []Edge, order []int) *Plan {
	plan := &Plan{
		Namespace: b.job.Namespace, Job: b.job.Name, MaxParallelism: b.job.MaxParallelism, BufferTimeout: b.job.BufferTimeout,
		Checkpoint: b.job.Checkpoint, Restart: b.job.Restart,
	}
	index := make([]int, len(order)) // of a vertex in the plan
	for i, v := range order {
		index[v] = i
		plan.Operators = append(plan.Operators, b.operator(b.job.vertices[v]))
	}
	plan.Warnings = sorted(b.warnings)
	for _, e := range edges {
		e.From, e.To = index[e.From], index[e.To]
		plan.Edges = append(plan.Edges, e)
	}
	slices.SortStableFunc(plan.Edges, func(x, y Edge) int { return x.To - y.To })
	for i := range plan.Edges {
		plan.Edges[i].ID = i
	}
	plan.chain()
	return plan
}

func (b *builder) operator(o *vertex) Operator {
	op := Operator{
		Name: o.name, Role: o.role, Parallelism: b.parallelism(o), With: o.settings, Format: o.format, Module: o.module,
		Watermark: o.watermark, Window: o.window, State: b.keeps(o), Limits: o.limits, OnReject: OnReject{Policy: o.reject}, Inputs: o.takes, Outputs: o.gives,
	}
	if o.role != RoleModule {
		op.Connector = o.what
	}
	if o.reject == RejectTo {
		op.OnReject.Output = len(o.gives) - 1
	}
	return op
}

// relative shortens an absolute path for messages.
func (b *builder) relative(path string) string {
	if short, err := filepath.Rel(b.dir, path); err == nil && !strings.HasPrefix(short, "..") {
		return short
	}
	return path
}

// oneLine is the text of an error of somebody else's, fit for a line of ours: what is
// too long loses its middle.
func oneLine(err error) string {
	const most = 300
	text := strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "?")), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most/2]+" … "+text[len(text)-most/2:], "")
	}
	return text
}
