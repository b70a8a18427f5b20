package graph

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/wasmill/wasmill/sdk/abi"
)

// Backend is where keyed state lies while a job runs; snapshots are the same for all.
type Backend string

// The backends.
const (
	MemoryBackend Backend = "memory"
	DiskBackend   Backend = "disk"
)

// State is what each subtask of a module keeps. A module has one if it declares
// tables, has a window, gets its input by key, since it may then set timers, or if the
// job file asks for its heap.
type State struct {
	Backend Backend `json:"backend"`
	Limit   int64   `json:"limit,omitempty"` // bytes of each subtask; 0: no limit
	Cache   int64   `json:"cache,omitempty"` // bytes of RAM of each subtask's disk backend; 0: its default
	Version uint32  `json:"version"`         // the module's: under which it writes entries
	// Keyed says that records come to the subtask of their key, those of broadcast
	// inputs apart: keyed tables and timers can be used.
	Keyed  bool    `json:"keyed,omitempty"`
	Tables []Table `json:"tables,omitempty"` // by index, as the module declares them
	// Heap says that an image of the instance is in every checkpoint.
	Heap bool `json:"heap,omitempty"`
}

// Table is a table of a module; its name is its identity in checkpoints.
type Table struct {
	Name  string        `json:"name"`
	Scope abi.Scope     `json:"scope"`
	TTL   time.Duration `json:"ttl,omitempty"` // since the last write; 0: for ever. Whole milliseconds
}

// maxTables of each module.
const maxTables = 200

// readState reads what a job file says about a module's state.
func (p *parser) readState(o *vertex, v *value) {
	o.stateV = v
	p.object(v, readers{
		"backend": func(v *value) {
			s, _ := p.oneOf(v, string(MemoryBackend), string(DiskBackend))
			o.state.Backend = Backend(s)
		},
		"cache": func(v *value) {
			o.cacheV = v
			o.state.Cache, _ = p.size(v, 8<<20, math.MaxInt64)
		},
		"tables": func(v *value) { o.tablesV = v },
		"heap": func(v *value) {
			o.heapV = v
			o.state.Heap, _ = p.boolean(v)
		},
	})
}

// checkState makes the plan's tables of those that the module declares and of what the
// job file changes about them.
func (b *builder) checkState(o *vertex, d *abi.Description) {
	o.state.Version = d.StateVersion
	if o.cacheV != nil && o.state.Backend != DiskBackend {
		b.add(o.cacheV.at(), "set backend: disk, or remove it", "state in memory has no cache")
	}
	lies := func(format string, args ...any) {
		b.add(o.whatV.at(), "tell the module's author", "%s "+format, append([]any{b.relative(o.what)}, args...)...)
	}
	if len(d.Tables) > maxTables {
		lies("declares %d tables, at most %d are possible", len(d.Tables), maxTables)
		return
	}
	var names []string
	for _, t := range d.Tables {
		table := Table{Name: t.Name, Scope: t.Scope}
		switch {
		case !operatorName.MatchString(t.Name):
			lies("declares a table %s, which is not a name", quote(t.Name))
		case slices.Contains(names, t.Name):
			lies("declares the table %s twice", quote(t.Name))
		case !slices.Contains([]abi.Scope{abi.ScopeKey, abi.ScopeSplit, abi.ScopeUnion, abi.ScopeBroadcast}, t.Scope):
			lies("declares the table %s with the scope %s, which is not one of key, split, union, broadcast", quote(t.Name), quote(string(t.Scope)))
		case t.Scope == abi.ScopeKey && d.Shape == abi.ShapeSource:
			lies("declares the table %s by key, and a source has no input that has one", quote(t.Name))
		}
		if t.TTL != "" {
			ttl, err := time.ParseDuration(t.TTL)
			if table.TTL = ttl; err != nil || ttl < 0 || ttl > maxWindow || ttl%time.Millisecond != 0 {
				lies("declares the table %s with the ttl %s, which is not whole milliseconds like 24h", quote(t.Name), quote(t.TTL))
			}
		}
		names = append(names, t.Name)
		o.state.Tables = append(o.state.Tables, table)
	}
	b.readTables(o, names)
}

// readTables reads `state.tables`: settings of tables, by their names.
func (b *builder) readTables(o *vertex, names []string) {
	if o.tablesV == nil {
		return
	}
	known := readers{}
	for i := range o.state.Tables {
		table := &o.state.Tables[i]
		known[table.Name] = func(v *value) {
			b.object(v, readers{"ttl": func(v *value) { table.TTL = b.millis(v) }})
		}
	}
	if o.tablesV.kind != mapping {
		b.mismatch(o.tablesV, "tables by their names", "")
		return
	}
	for _, f := range o.tablesV.fields {
		read, ok := known[f.name]
		switch {
		case !ok:
			b.add(f.value.named(), Suggest(f.name, names), "%s declares no table %s", b.relative(o.what), quote(f.name))
		case f.value.kind != refused:
			read(f.value)
		}
	}
}

// checkHeap refuses a module of which there can be no image.
func (b *builder) checkHeap(o *vertex, info *ModuleInfo) {
	if o.state.Heap && info.NoImage != "" {
		b.add(o.heapV.at(), "remove it, and keep what shall survive in tables", "%s has no image to keep: it %s", b.relative(o.what), info.NoImage)
	}
}

// checkKeys reports inputs of a module with keyed state whose records may come to a
// subtask that is not their key's.
func (b *builder) checkKeys(o *vertex) {
	what := ""
	switch i := slices.IndexFunc(o.state.Tables, func(t Table) bool { return t.Scope == abi.ScopeKey }); {
	case o.module == nil:
		return
	case windowed(abi.Shape(o.module.Shape)):
		what = "windows are"
	case i >= 0:
		what = "table " + quote(o.state.Tables[i].Name) + " is"
	default:
		return
	}
	beside := !strings.HasPrefix(what, "windows") && slices.ContainsFunc(o.feeds, b.byKey)
	for _, f := range o.feeds {
		if b.byKey(f) || beside && f.in.by == Broadcast {
			continue
		}
		at := f.in.v.at()
		if f.in.byV != nil {
			at = f.in.byV.at()
		}
		b.add(at, "write by: key", "records from %s do not come by key, and %s kept by it", f.from.name, what)
	}
}

// keeps fills in whether a module can keep state by key, and returns its state: nil if
// it has none.
func (b *builder) keeps(o *vertex) *State {
	if o.role != RoleModule {
		return nil
	}
	o.state.Keyed = b.keyed(o) || slices.ContainsFunc(o.feeds, b.byKey) &&
		!slices.ContainsFunc(o.feeds, func(f feed) bool { return f.in.by != Broadcast && !b.byKey(f) })
	if len(o.state.Tables) == 0 && o.window == nil && !o.state.Keyed {
		if o.state.Heap {
			return &o.state
		}
		for _, v := range []*value{o.stateV, o.stateLimitV} {
			if v != nil {
				b.warn(v.named(), "remove it", "%s keeps no state", b.relative(o.what))
			}
		}
		return nil
	}
	return &o.state
}

// byKey reports whether records come in where their key belongs.
func (b *builder) byKey(f feed) bool {
	switch f.in.by {
	case ByKey:
		return true
	case Forward:
		// What the engine gives out (late, rejected) has the key that it came in with.
		return (f.output >= f.from.own || f.from.keepsKey) && b.keyed(f.from)
	}
	return false
}

// keyed reports whether all records of an operator come in where their key belongs.
func (b *builder) keyed(o *vertex) bool {
	if known, asked := b.keyedBy[o]; asked {
		return known
	}
	b.keyedBy[o] = false // holds in a cycle, which is refused
	b.keyedBy[o] = o.role == RoleModule && len(o.feeds) > 0 && !slices.ContainsFunc(o.feeds, func(f feed) bool { return !b.byKey(f) })
	return b.keyedBy[o]
}
