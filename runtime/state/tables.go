package state

import (
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/prefetch"
)

// Tables is what a guest sees: its tables by the index of its description, whatever
// backend they lie in. It belongs to the goroutine of the task.
type Tables struct {
	keyed          Backend // nil if there is none
	operator       Backend // nil if there is none
	places         []tablePlace
	first, end     int
	maxParallelism int
	reply          answer
	disk           *Disk // keyed, if it is one
	ahead          []nextOp
	lately         lately
	near           prefetch.Places

	visit    func(key []byte) bool // of the ScanKeys at hand
	visitKey func(key []byte) bool // hands on to visit; made once
	stopped  bool
}

type tablePlace struct {
	backend Backend
	memory  *Memory // the same, if it is one: a shorter way to it
	index   int
	keyed   bool
}

// Divide tells which of a module's tables are keyed and which are the operator's own, in
// the order in which they stand in Options.Tables of the two backends. Tables of the
// engine come behind them.
func Divide(tables []Table) (keyed, operator []Table) {
	for _, t := range tables {
		if t.Scope == ScopeKey {
			keyed = append(keyed, t)
		} else {
			operator = append(operator, t)
		}
	}
	return keyed, operator
}

// NewTables puts a module's tables before a guest. The backends' tables begin with what
// Divide says; a backend that has none may be nil. First and end are the key groups of
// the subtask.
func NewTables(tables []Table, keyed, operator Backend, first, end, maxParallelism int) *Tables {
	t := &Tables{keyed: keyed, operator: operator, first: first, end: end, maxParallelism: maxParallelism}
	var next [2]int
	for _, table := range tables {
		p := tablePlace{backend: keyed, index: next[0], keyed: table.Scope == ScopeKey}
		if p.keyed {
			next[0]++
		} else {
			p.backend, p.index = operator, next[1]
			next[1]++
		}
		p.memory, _ = p.backend.(*Memory)
		t.places = append(t.places, p)
	}
	t.disk, _ = keyed.(*Disk)
	t.ahead = make([]nextOp, fetchAhead)
	t.reply.init()
	t.visitKey = func(key []byte) bool {
		t.stopped = !t.visit(key)
		return !t.stopped
	}
	return t
}

// SetTime sets the processing time, in ms since 1970, of all tables.
func (t *Tables) SetTime(now int64) {
	if t.keyed != nil {
		t.keyed.SetTime(now)
	}
	if t.operator != nil {
		t.operator.SetTime(now)
	}
}

// place finds a table, and the group of a key in it.
func (t *Tables) place(table int, key []byte) (p *tablePlace, group int, err error) {
	if uint(table) >= uint(len(t.places)) {
		return nil, 0, errTable(table, len(t.places))
	}
	p = &t.places[table]
	if !p.keyed {
		return p, 0, nil
	}
	group = keygroup.Of(key, t.maxParallelism)
	if group < t.first || group >= t.end {
		return nil, 0, t.errGroup(key, group)
	}
	return p, group, nil
}

// Get is Backend.Get.
func (t *Tables) Get(table int, key, subkey []byte) (value []byte, version uint32, ok bool, err error) {
	p, group, err := t.place(table, key)
	if err != nil {
		return nil, 0, false, err
	}
	return p.backend.Get(group, p.index, key, subkey)
}

// Put is Backend.Put.
func (t *Tables) Put(table int, key, subkey, value []byte) error {
	p, group, err := t.place(table, key)
	if err != nil {
		return err
	}
	return p.backend.Put(group, p.index, key, subkey, value)
}

// Append is Backend.Append.
func (t *Tables) Append(table int, key, subkey, value []byte) error {
	p, group, err := t.place(table, key)
	if err != nil {
		return err
	}
	return p.backend.Append(group, p.index, key, subkey, value)
}

// Delete is Backend.Delete.
func (t *Tables) Delete(table int, key, subkey []byte) error {
	p, group, err := t.place(table, key)
	if err != nil {
		return err
	}
	return p.backend.Delete(group, p.index, key, subkey)
}

// DeleteRange is Backend.DeleteRange.
func (t *Tables) DeleteRange(table int, key, from, to []byte) error {
	p, group, err := t.place(table, key)
	if err != nil {
		return err
	}
	return p.backend.DeleteRange(group, p.index, key, from, to)
}

// Scan is Backend.Scan.
func (t *Tables) Scan(table int, key, from, to []byte, visit func(subkey, value []byte, version uint32) bool) error {
	p, group, err := t.place(table, key)
	if err != nil {
		return err
	}
	return p.backend.Scan(group, p.index, key, from, to, visit)
}

// ScanKeys visits the keys of a table, group by group, in each in hash order: those
// after the given one; nil starts with the first. Visit is as in Backend.Scan.
func (t *Tables) ScanKeys(table int, after []byte, visit func(key []byte) bool) error {
	if uint(table) >= uint(len(t.places)) {
		return errTable(table, len(t.places))
	}
	p, group := &t.places[table], t.first
	if !p.keyed {
		return p.backend.ScanKeys(0, p.index, after, visit)
	}
	if after != nil {
		var err error
		if _, group, err = t.place(table, after); err != nil {
			return err
		}
	}
	t.visit, t.stopped = visit, false
	defer func() { t.visit = nil }()
	for ; group < t.end && !t.stopped; group++ {
		if err := p.backend.ScanKeys(group, p.index, after, t.visitKey); err != nil {
			return err
		}
		after = nil
	}
	return nil
}

func errTable(table, tables int) error {
	return fault.Guestf("table %d: the module describes %d", table, tables)
}

func (t *Tables) errGroup(key []byte, group int) error {
	return fault.Guestf("key %.64q is of key group %d, not of this subtask's %d to %d (is it the key of a record of an input by: key?)", key, group, t.first, t.end-1)
}
