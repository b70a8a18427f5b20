package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/record"
)

// jobTest is a test file: a job, and cases of what goes in and what has to come out.
type jobTest struct {
	file  string
	job   string // as written: relative to the test file
	cases []testCase
}

// testCase is a run of the job, or several.
type testCase struct {
	name        string
	set         []string // overrides, as --set takes them
	parallelism []int    // it runs with each of them
	start       time.Time
	steps       []testStep
	fails       string // what the job's failure says; empty: it does not fail
}

// testStep is one thing to do; one of its fields is set.
type testStep struct {
	in    []feeding
	clock time.Duration
	end   *ending
	out   []expectation
	node  *yaml.Node
}

// feeding is what a source gives, in order.
type feeding struct {
	source string
	items  []feedItem
	node   *yaml.Node
}

// feedItem is a record or, if that is nil, a watermark.
type feedItem struct {
	record    *record.Record
	keyed     bool // the key is as it stands; otherwise it comes from where the job file says
	timed     bool // so is the timestamp
	watermark int64
	place     string
	node      *yaml.Node
}

// ending is which sources end; none: all.
type ending struct{ sources []*yaml.Node }

// expectation is what must have come to a sink since the last look at it.
type expectation struct {
	sink      string
	rows      []rowPattern
	unordered bool
	place     string
	node      *yaml.Node
}

// testStart is what the clock says at first, unless the file says otherwise.
var testStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// readJobTest reads a test file; the error is all that is wrong with it.
func readJobTest(file string, data []byte) (*jobTest, error) {
	r := &testReader{file: file}
	t := &jobTest{file: file}
	if root := r.document(data); root != nil {
		r.readFile(root, t)
	}
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return t, nil
}

func (r *testReader) readFile(root *yaml.Node, t *jobTest) {
	f, ok := r.fields(root, "", "job", "set", "parallelism", "start", "tests", "in", "out", "steps", "fails")
	if !ok {
		return
	}
	if v := f["job"]; v == nil {
		r.add(root, "", "write job: job.yaml", "job is missing")
	} else {
		t.job, _ = r.text(v, "job")
	}
	all := testCase{parallelism: []int{1}, start: testStart}
	r.settings(&all, "", f)
	tests, alone := f["tests"], f["in"] != nil || f["out"] != nil || f["steps"] != nil || f["fails"] != nil
	switch {
	case tests != nil && alone:
		r.add(tests, "tests", "put in, out and steps into a case of their own", "are beside in, out or steps")
	case tests != nil:
		for i, v := range r.items(tests, "tests") {
			path := fmt.Sprintf("tests[%d]", i)
			if f, ok := r.fields(v, path, "name", "set", "parallelism", "start", "in", "out", "steps", "fails"); ok {
				c := all
				r.settings(&c, path+".", f)
				r.readCase(&c, v, path+".", f)
				t.cases = append(t.cases, c)
			}
		}
	default:
		r.readCase(&all, root, "", f)
		t.cases = []testCase{all}
	}
}

// settings reads how the job runs; a case adds to what the file says for all.
func (r *testReader) settings(c *testCase, path string, f map[string]*yaml.Node) {
	if v := f["set"]; v != nil {
		c.set = append(slices.Clip(c.set), r.overrides(v, path+"set")...)
	}
	if v := f["parallelism"]; v != nil {
		c.parallelism = r.parallelisms(v, path+"parallelism")
	}
	if v := f["start"]; v != nil {
		if ms, ok := r.time(v, path+"start"); ok {
			c.start = time.UnixMilli(ms).UTC()
		}
	}
}

// readCase reads what a case does. In and out are short for three steps.
func (r *testReader) readCase(c *testCase, n *yaml.Node, path string, f map[string]*yaml.Node) {
	if v := f["name"]; v != nil {
		c.name, _ = r.text(v, path+"name")
	}
	if v := f["fails"]; v != nil {
		c.fails, _ = r.text(v, path+"fails")
	}
	in, out, steps := f["in"], f["out"], f["steps"]
	switch {
	case steps != nil && (in != nil || out != nil):
		r.add(steps, path+"steps", "make in and out steps, too", "are beside in or out")
	case steps != nil:
		for i, v := range r.items(steps, path+"steps") {
			c.steps = append(c.steps, r.step(v, fmt.Sprintf("%ssteps[%d]", path, i)))
		}
	case out == nil && c.fails == "":
		r.add(n, strings.TrimSuffix(path, "."), "write in and out, or steps", "tests nothing: out is missing")
	default:
		if in != nil {
			c.steps = append(c.steps, testStep{in: r.feedings(in, path+"in"), node: in})
		}
		c.steps = append(c.steps, testStep{end: &ending{}, node: n})
		if out != nil {
			c.steps = append(c.steps, testStep{out: r.expectations(out, path+"out"), node: out})
		}
	}
}

func (r *testReader) step(n *yaml.Node, path string) testStep {
	s := testStep{node: n}
	f, ok := r.fields(n, path, "in", "clock", "end", "out")
	if !ok {
		return s
	}
	if len(f) != 1 {
		r.add(n, path, "a step is one of in, clock, end and out", "has %d fields", len(f))
	}
	if v := f["in"]; v != nil {
		s.in = r.feedings(v, path+".in")
	}
	if v := f["clock"]; v != nil {
		s.clock = r.duration(v, path+".clock")
	}
	if v := f["end"]; v != nil {
		s.end = &ending{}
		if v.Kind != yaml.ScalarNode || v.Value != "all" {
			s.end.sources = r.items(v, path+".end")
		}
	}
	if v := f["out"]; v != nil {
		s.out = r.expectations(v, path+".out")
	}
	return s
}

func (r *testReader) feedings(n *yaml.Node, path string) (all []feeding) {
	for _, e := range r.entries(n, path, "records by the names of sources") {
		f := feeding{source: e.name.Value, node: e.name}
		path := path + "." + f.source
		for i, v := range r.items(e.value, path) {
			f.items = append(f.items, r.feedItem(v, fmt.Sprintf("%s[%d]", path, i)))
		}
		all = append(all, f)
	}
	return all
}

// feedItem reads a record: a text is its value.
func (r *testReader) feedItem(n *yaml.Node, path string) feedItem {
	i := feedItem{node: n, place: fmt.Sprintf("%s:%d", r.file, n.Line)}
	if n.Kind == yaml.MappingNode {
		if f, ok := r.fields(n, path, append([]string{"watermark"}, rowFields...)...); !ok {
			return i
		} else if v := f["watermark"]; v != nil {
			if i.watermark, ok = r.time(v, path+".watermark"); ok && len(f) > 1 {
				r.add(n, path, "give the record before or behind it", "is a watermark and more")
			}
			return i
		}
	}
	p := r.row(n, path)
	i.record, i.keyed, i.timed = p.record(), p.keyed, p.timed
	return i
}

func (r *testReader) expectations(n *yaml.Node, path string) (all []expectation) {
	for _, e := range r.entries(n, path, "records by the names of sinks") {
		x := expectation{sink: e.name.Value, node: e.name, place: fmt.Sprintf("%s:%d:%d", r.file, e.name.Line, e.name.Column)}
		rows, path := e.value, path+"."+x.sink
		if rows.Kind == yaml.MappingNode {
			f, ok := r.fields(rows, path, "unordered")
			if !ok || f["unordered"] == nil {
				if ok {
					r.mismatch(rows, path, "a list of records, or one that is unordered")
				}
				continue
			}
			x.unordered, rows, path = true, f["unordered"], path+".unordered"
		}
		for i, v := range r.items(rows, path) {
			x.rows = append(x.rows, r.row(v, fmt.Sprintf("%s[%d]", path, i)))
		}
		all = append(all, x)
	}
	return all
}

// problem is one that turned up when the job was known.
func (t *jobTest) problem(n *yaml.Node, hint, format string, args ...any) graph.Problem {
	return graph.Problem{File: t.file, Line: n.Line, Column: n.Column, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// check finds the sources and sinks of a case in the plan.
func (t *jobTest) check(c *testCase, plan *graph.Plan) (problems graph.Problems) {
	find := func(n *yaml.Node, role graph.Role) *graph.Operator {
		var names []string
		for i := range plan.Operators {
			op := &plan.Operators[i]
			switch {
			case op.Role == role && op.Name == n.Value:
				return op
			case op.Role == role:
				names = append(names, op.Name)
			case op.Name == n.Value:
				problems = append(problems, t.problem(n, "", "%s is a %s of %s, not a %s", op.Name, op.Role, t.job, role))
				return nil
			}
		}
		problems = append(problems, t.problem(n, graph.Suggest(n.Value, names), "%s has no %s %q", t.job, role, n.Value))
		return nil
	}
	for _, s := range c.steps {
		for _, f := range s.in {
			op := find(f.node, graph.RoleSource)
			for _, i := range f.items {
				if op != nil && op.Watermark == nil && i.record == nil {
					problems = append(problems, t.problem(i.node, "give it a watermark in the job file or by set", "source %s has no watermarks", op.Name))
				}
			}
		}
		for _, x := range s.out {
			find(x.node, graph.RoleSink)
		}
		if s.end != nil {
			for _, n := range s.end.sources {
				find(n, graph.RoleSource)
			}
		}
	}
	return problems
}
