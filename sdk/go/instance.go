package wasmill

import (
	"runtime"
	"slices"
	"strconv"
)

// Instance runs an operator against a host, as the exports of a module do. It is for
// harnesses such as wasmilltest; an operator never sees it.
type Instance struct {
	op      Operator
	context Context
	record  Record

	group   group
	reply   []byte
	held    Window // whose groups are coming
	holding bool
}

// NewInstance makes an instance of op.
func NewInstance(op Operator, host Host) *Instance {
	i := &Instance{op: op.withDefaults()}
	i.context = Context{host: host, index: -1, row: -1}
	i.context.none = Output{context: &i.context, index: -1}
	i.context.outputs = make([]Output, len(i.op.Outputs))
	for n := range i.context.outputs {
		i.context.outputs[n] = Output{context: &i.context, index: n}
	}
	i.context.first = i.context.Out(0)
	i.context.store = newStore(&i.context, &i.op)
	return i
}

func newStore(c *Context, op *Operator) *store {
	s := &store{context: c, version: op.StateVersion}
	for n, table := range op.Tables {
		t := table.info()
		t.store, t.index, t.place = s, n, -1
		if t.value && t.scope == Keyed && op.Process != nil {
			t.place = len(s.ahead)
			s.ahead = append(s.ahead, n)
		}
		s.tables = append(s.tables, t)
	}
	return s
}

func (op Operator) withDefaults() Operator {
	if op.Name == "" {
		op.Name = "operator"
	}
	if op.Inputs == nil && op.Poll == nil {
		op.Inputs = []string{"in"}
	}
	if op.Outputs == nil {
		op.Outputs = []string{"out"}
	}
	return op
}

// Statuses of a call.
const (
	statusOK     = 0
	statusFailed = -1
)

// SetHost gives the instance another host.
func (i *Instance) SetHost(h Host) { i.context.host = h }

// Open gives the instance its settings, a JSON object.
func (i *Instance) Open(request []byte) int32 {
	c := &i.context
	c.index = -1
	var err error
	if c.Settings, err = parseSettings(request); err == nil && i.op.Open != nil {
		err = i.op.Open(c)
	}
	return i.finish(statusOK, err)
}

// Process handles a batch of an input.
func (i *Instance) Process(input int, batch []byte) int32 {
	c := &i.context
	c.input = input
	defer i.nameRecord()
	if len(c.store.ahead) > 0 && (len(i.op.BroadcastInputs) == 0 || !slices.Contains(i.op.BroadcastInputs, i.op.Inputs[input])) {
		c.store.prefetch(batch, &i.record)
	}
	err := i.records(batch)
	i.record = Record{}
	status := i.finish(statusOK, err)
	runtime.KeepAlive(batch) // of which the collector was told nothing
	return status
}

// records hands the records of a batch to the operator, one by one.
func (i *Instance) records(batch []byte) error {
	c := &i.context
	r, process := &i.record, i.op.Process
	n, row, step := 0, -1, 0
	if c.store.placed {
		row, step = 0, len(c.store.ahead)
	}
	p := dataOf(batch)
	for at := 0; at < len(batch) && c.err == nil; n++ {
		var head uint64
		if left := len(batch) - at; left >= headerSize {
			head = get64(p, at)
			if !plain(head) && !keyless(head) || headerSize+head&maxKeyLen+head>>32 > uint64(left) {
				head = 0
			}
		}
		c.index, c.row = n, row
		if head != 0 { // decode, without a call
			mid := at + headerSize + int(head&maxKeyLen)
			end := mid + int(head>>32)
			r.Timestamp, r.Change = int64(get64(p, at+8)), Change(head>>24&changeMask)
			if r.Extension != nil {
				r.Extension = nil
			}
			key, start := p, at+headerSize
			if head>>24&keyAbsent != 0 {
				key, start, mid, c.row = nil, 0, 0, -1
			}
			setInput(&r.Key, key, start, mid-start)
			setInput(&c.key, key, start, mid-start)
			setInput(&r.Value, p, end-int(head>>32), int(head>>32))
			at = end
		} else {
			size := r.decode(batch, at)
			if size == 0 {
				c.index = -1
				return malformed(n)
			}
			at += size
			if c.key = r.Key; c.key == nil {
				c.row = -1
			}
		}
		row += step
		if err := process(c, r); err != nil {
			c.fail(&recordError{n, err})
		}
	}
	c.index = -1
	return nil
}

// nameRecord tells, when the operator panics, which record it was at; the panic
// itself goes on, and its trace to the log.
func (i *Instance) nameRecord() {
	if n := i.context.index; n >= 0 {
		i.context.host.Fail("record " + strconv.Itoa(n) + " of the batch: the operator panicked")
	}
}

// Poll asks a source for at most max records.
func (i *Instance) Poll(max int) int32 {
	status, err := i.op.Poll(&i.context, max)
	return i.finish(int32(status), err)
}

// Flush asks the operator to give out what it holds back.
func (i *Instance) Flush() int32 { return i.call(i.op.Flush) }

// End tells the operator that its inputs have ended.
func (i *Instance) End() int32 { return i.call(i.op.End) }

func (i *Instance) call(f func(*Context) error) int32 {
	if f == nil {
		return statusOK
	}
	return i.finish(statusOK, f(&i.context))
}

// finish ends a call: it hands out what was emitted, or says what failed. A collection
// that has begun gets a turn: nothing else lets it go on where little is allocated, and
// as long as it lasts every pointer written costs several times as much.
func (i *Instance) finish(status int32, err error) int32 {
	c := &i.context
	c.key, c.row = nil, -1
	runtime.Gosched()
	if err == nil && c.err == nil {
		c.store.finish()
		for n := range c.outputs {
			c.outputs[n].handAll()
		}
		return status
	}
	if c.err == nil {
		c.err = err
	}
	c.host.Fail(c.err.Error())
	return statusFailed
}

// recordError says at which record of a batch an operator failed.
type recordError struct {
	index int
	err   error
}

func (e *recordError) Error() string {
	return "record " + strconv.Itoa(e.index) + " of the batch: " + e.err.Error()
}

func (e *recordError) Unwrap() error { return e.err }
