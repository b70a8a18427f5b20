package wasmill

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// Firing is why there is a result of a window.
type Firing uint8

// The firings.
const (
	OnTime Firing = 0 // the watermark passed the end
	Early  Firing = 1 // a trigger, before the end
	Late   Firing = 2 // a late record
)

// Window is a window of a key. The job file says which windows an operator has.
type Window struct {
	Key        []byte
	Start, End int64 // ms since 1970; the end is not within
	Firing     Firing
	parts      [][]byte // of Apply: the records, by input
	bad        bool
}

// Records goes through the records of an input, by its index: only in Apply. A record is
// valid until the next.
func (w *Window) Records(input int) iter.Seq[*Record] {
	return func(yield func(*Record) bool) {
		if input < 0 || input >= len(w.parts) {
			return
		}
		var r Record
		for at := 0; at < len(w.parts[input]); {
			n := r.decode(w.parts[input], at)
			if n == 0 {
				w.bad = true
				return
			}
			if at += n; !yield(&r) {
				return
			}
		}
	}
}

// WindowAggregate is an *Aggregate[A].
type WindowAggregate interface {
	accumulate(i *Instance, g *group, index *int, reply []byte) ([]byte, error)
	merge(c *Context, g *group, reply []byte) ([]byte, error)
	finish(c *Context, g *group) error
}

// Aggregate folds the records of windows into accumulators of type A, its zero value at
// first. However records are cut into calls, the result must be the same.
type Aggregate[A any] struct {
	Codec  Codec[A]
	Add    func(c *Context, acc *A, r *Record) error
	Merge  func(c *Context, acc *A, other A) error
	Finish func(c *Context, w *Window, acc A) error
}

// group is what the engine gives for a key and window; see sdk/abi.md.
type group struct {
	window    Window
	acc, body []byte // acc nil: none
	more      bool
	input     int
}

const groupHead = 32

func (g *group) decode(b []byte) (size int) {
	if len(b) < groupHead {
		return 0
	}
	key, acc, body := uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[4:])), uint64(binary.LittleEndian.Uint32(b[8:]))
	none := acc == absent
	if none {
		acc = 0
	}
	end := groupHead + key + acc + body
	if end > uint64(len(b)) {
		return 0
	}
	g.more, g.input = b[12]&1 != 0, int(b[13])
	at := groupHead + key
	g.window = Window{Key: b[groupHead:at:at], Start: int64(load64(b, 16)), End: int64(load64(b, 24)), Firing: Firing(b[14])}
	g.acc, g.body = b[at:at+acc:at+acc], b[at+acc:end:end]
	if none {
		g.acc = nil
	}
	return int(end)
}

var errGroups = failure("groups are malformed")

// each calls f for each group; it is what all calls of windows do.
func (i *Instance) each(groups []byte, f func(*group) error) error {
	c := &i.context
	c.index = -1
	for len(groups) > 0 && c.err == nil {
		n := i.group.decode(groups)
		if n == 0 {
			return errGroups
		}
		groups = groups[n:]
		c.key = i.group.window.Key
		if err := f(&i.group); err != nil {
			return err
		}
	}
	return nil
}

// Accumulate, Merge, Finish and Apply handle groups, as sdk/abi.md says.
func (i *Instance) Accumulate(groups []byte) int32 {
	index := -1
	i.reply = i.reply[:0]
	err := i.each(groups, func(g *group) (err error) {
		i.reply, err = i.op.Aggregate.accumulate(i, g, &index, i.reply)
		return err
	})
	return i.answer(err)
}

// Merge is described at Accumulate.
func (i *Instance) Merge(groups []byte) int32 {
	i.reply = i.reply[:0]
	err := i.each(groups, func(g *group) (err error) {
		i.reply, err = i.op.Aggregate.merge(&i.context, g, i.reply)
		return err
	})
	return i.answer(err)
}

func (i *Instance) answer(err error) int32 {
	if err == nil && i.context.err == nil {
		i.context.host.Reply(i.reply)
	}
	return i.finish(statusOK, err)
}

// Finish is described at Accumulate.
func (i *Instance) Finish(groups []byte) int32 {
	return i.finish(statusOK, i.each(groups, func(g *group) error { return i.op.Aggregate.finish(&i.context, g) }))
}

// Apply is described at Accumulate.
func (i *Instance) Apply(groups []byte) int32 {
	return i.finish(statusOK, i.each(groups, i.applyGroup))
}

// applyGroup gathers the groups of a window, which may come in several calls.
func (i *Instance) applyGroup(g *group) error {
	if g.input >= len(i.op.Inputs) {
		return errGroups
	}
	w := &i.held
	if !i.holding {
		// Tables refer to the key until the call ends, and the call may bring other windows.
		*w = Window{Key: bytes.Clone(g.window.Key), Start: g.window.Start, End: g.window.End, Firing: g.window.Firing, parts: w.parts}
		if w.parts == nil {
			w.parts = make([][]byte, len(i.op.Inputs))
		}
		for n := range w.parts {
			w.parts[n] = w.parts[n][:0]
		}
	}
	w.parts[g.input] = append(w.parts[g.input], g.body...)
	if i.holding = g.more; i.holding {
		return nil
	}
	i.context.key = w.Key
	if err := i.op.Apply(&i.context, w); err != nil {
		return err
	}
	if w.bad {
		return errGroups
	}
	return nil
}

func (a *Aggregate[A]) accumulate(i *Instance, g *group, index *int, reply []byte) ([]byte, error) {
	var acc A
	if g.acc != nil {
		var err error
		if acc, err = a.Codec.Decode(g.acc); err != nil {
			return reply, err
		}
	}
	c := &i.context
	for at := 0; at < len(g.body) && c.err == nil; {
		n := i.record.decode(g.body, at)
		if n == 0 {
			return reply, errGroups
		}
		at += n
		*index++
		c.index = *index
		if err := a.Add(c, &acc, &i.record); err != nil {
			return reply, err
		}
	}
	return a.reply(reply, acc), nil
}

func (a *Aggregate[A]) reply(reply []byte, acc A) []byte {
	at := len(reply)
	reply = a.Codec.Append(append(reply, 0, 0, 0, 0), acc)
	binary.LittleEndian.PutUint32(reply[at:], uint32(len(reply)-at-4))
	return reply
}

func (a *Aggregate[A]) merge(c *Context, g *group, reply []byte) ([]byte, error) {
	var acc A
	for n := 0; len(g.body) > 0; n++ {
		if len(g.body) < 4 || uint64(binary.LittleEndian.Uint32(g.body)) > uint64(len(g.body)-4) {
			return reply, errGroups
		}
		end := 4 + int(binary.LittleEndian.Uint32(g.body))
		other, err := a.Codec.Decode(g.body[4:end:end])
		if err != nil {
			return reply, err
		}
		if n == 0 {
			acc = other
		} else if err := a.Merge(c, &acc, other); err != nil {
			return reply, err
		}
		g.body = g.body[end:]
	}
	return a.reply(reply, acc), nil
}

func (a *Aggregate[A]) finish(c *Context, g *group) error {
	if g.acc == nil {
		return errGroups
	}
	acc, err := a.Codec.Decode(g.acc)
	if err != nil {
		return err
	}
	return a.Finish(c, &g.window, acc)
}
