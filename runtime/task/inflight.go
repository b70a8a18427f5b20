package task

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/record"
)

// What is in flight is stored as (little-endian, no padding)
//
//	u8 version 1  channel*
//	channel = u8 direction  4 × (u8 length, name)  u32 from  u32 to  u32 elements  element*
//	element = u8 kind  i64 value  u32 length  batch
//
// A channel is known by the names of what it joins, for the numbers of edges change with
// the job file: operator and output, operator and input; and by its two subtasks.
const inFlightVersion = 1

// The directions, as seen by the task that stores.
const (
	inward  = 0
	outward = 1
)

// edgeName is an edge by name.
type edgeName struct{ from, output, to, input string }

func (e edgeName) String() string {
	return fmt.Sprintf("%s.%s to %s.%s", e.from, e.output, e.to, e.input)
}

func nameOf(p *graph.Plan, e *graph.Edge) edgeName {
	from, to := &p.Operators[e.From], &p.Operators[e.To]
	return edgeName{from.Name, from.Outputs[e.Output], to.Name, to.Inputs[e.Input]}
}

// Edges names the edges on which something is in flight, as Edges(p, t) does.
func (f *InFlight) Edges(p *graph.Plan) (names []string) {
	for _, caught := range [][]exchange.Caught{f.In, f.Out} {
		for _, c := range caught {
			if name := edgeText(p, &p.Edges[c.Channel.Edge]); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// Edges names those that lead into a task and out of it: what was in flight on them can be
// restored there.
func Edges(p *graph.Plan, t graph.Task) (names []string) {
	for i := range p.Edges {
		e := &p.Edges[i]
		if !e.Chained && (slices.Contains(t.Operators, e.To) || slices.Contains(t.Operators, e.From)) {
			names = append(names, edgeText(p, e))
		}
	}
	return names
}

// edgeText tells how records are divided, too: those in flight already are.
func edgeText(p *graph.Plan, e *graph.Edge) string {
	return fmt.Sprintf("%s by %s", nameOf(p, e), e.Partition)
}

// Encode writes what is in flight at a task of the plan.
func (f *InFlight) Encode(out io.Writer, p *graph.Plan) error {
	w := bufio.NewWriter(out)
	w.WriteByte(inFlightVersion)
	for direction, caught := range [][]exchange.Caught{inward: f.In, outward: f.Out} {
		for len(caught) > 0 {
			n := 1
			for n < len(caught) && caught[n].Channel == caught[0].Channel {
				n++
			}
			if err := encodeChannel(w, p, byte(direction), caught[:n]); err != nil {
				return err
			}
			caught = caught[n:]
		}
	}
	return w.Flush() // a bufio.Writer keeps its first error
}

func encodeChannel(w *bufio.Writer, p *graph.Plan, direction byte, caught []exchange.Caught) error {
	channel := caught[0].Channel
	name := nameOf(p, &p.Edges[channel.Edge])
	head := []byte{direction}
	for _, s := range []string{name.from, name.output, name.to, name.input} {
		if len(s) > math.MaxUint8 {
			return fmt.Errorf("the name %q is too long", s)
		}
		head = append(append(head, byte(len(s))), s...)
	}
	le := binary.LittleEndian
	for _, n := range []int{channel.From, channel.To, len(caught)} {
		head = le.AppendUint32(head, uint32(n))
	}
	w.Write(head)
	for _, c := range caught {
		if len(c.Batch) > math.MaxUint32 {
			return fmt.Errorf("a batch of %d bytes is too large", len(c.Batch))
		}
		element := le.AppendUint64([]byte{byte(c.Kind)}, uint64(c.Value))
		w.Write(le.AppendUint32(element, uint32(len(c.Batch))))
		if _, err := w.Write(c.Batch); err != nil {
			return err
		}
	}
	return nil
}

// DecodeInFlight reads what was in flight at a task, for the same task of a plan. An
// error is a corruption, or says that the plan has no such channel any more.
func DecodeInFlight(from io.Reader, p *graph.Plan, t graph.Task) (*InFlight, error) {
	r := bufio.NewReader(from)
	f := &InFlight{}
	version, err := r.ReadByte()
	if err != nil {
		return nil, cut(err)
	}
	if version != inFlightVersion {
		return nil, fault.Corruptf("in-flight data of version %d, this is %d", version, inFlightVersion)
	}
	for {
		switch _, err := r.Peek(1); {
		case err == io.EOF:
			return f, nil
		case err != nil:
			return nil, err
		}
		if err := f.decodeChannel(r, p, t); err != nil {
			return nil, err
		}
	}
}

// cut makes a corruption of an end that comes too early; other errors are the store's.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.Corruptf("in-flight data is cut off")
	}
	return err
}

func (f *InFlight) decodeChannel(r *bufio.Reader, p *graph.Plan, t graph.Task) error {
	direction, err := r.ReadByte()
	if err != nil {
		return cut(err)
	}
	var names [4]string
	for i := range names {
		length, err := r.ReadByte()
		if err != nil {
			return cut(err)
		}
		name := make([]byte, length)
		if _, err := io.ReadFull(r, name); err != nil {
			return cut(err)
		}
		names[i] = string(name)
	}
	var numbers [12]byte
	if _, err := io.ReadFull(r, numbers[:]); err != nil {
		return cut(err)
	}
	le := binary.LittleEndian
	channel := exchange.Channel{From: int(le.Uint32(numbers[0:])), To: int(le.Uint32(numbers[4:]))}
	edge := edgeName{names[0], names[1], names[2], names[3]}
	to := &f.In
	switch direction {
	case inward:
	case outward:
		to = &f.Out
	default:
		return fault.Corruptf("in-flight data of direction %d", direction)
	}
	if channel.Edge = find(p, t, edge, direction); channel.Edge < 0 {
		return fmt.Errorf("the checkpoint has records in flight from %s, where the job has no channel any more (go on with the former job file until a checkpoint without completes: alignment: aligned)", edge)
	}
	for range le.Uint32(numbers[8:]) {
		c, err := decodeElement(r)
		if err != nil {
			return err
		}
		c.Channel = channel
		*to = append(*to, c)
	}
	return nil
}

// find is the edge of that name that leads into the task or out of it, -1 if there is none.
func find(p *graph.Plan, t graph.Task, name edgeName, direction byte) int {
	return slices.IndexFunc(p.Edges, func(e graph.Edge) bool {
		end := e.To
		if direction == outward {
			end = e.From
		}
		return !e.Chained && slices.Contains(t.Operators, end) && nameOf(p, &e) == name
	})
}

func decodeElement(r *bufio.Reader) (c exchange.Caught, err error) {
	var head [13]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return c, cut(err)
	}
	le := binary.LittleEndian
	c.Kind, c.Value = exchange.Kind(head[0]), int64(le.Uint64(head[1:]))
	length := le.Uint32(head[9:])
	switch c.Kind {
	case exchange.Watermark, exchange.Idle, exchange.Active:
		if length > 0 {
			return c, fault.Corruptf("%s in flight with a batch of %d bytes", c.Kind, length)
		}
		return c, nil
	case exchange.Data:
	default:
		return c, fault.Corruptf("%s in flight", c.Kind)
	}
	var batch bytes.Buffer // it grows with what is there, not with what is promised
	if _, err := io.CopyN(&batch, r, int64(length)); err != nil {
		return c, cut(err)
	}
	if n, err := record.Validate(batch.Bytes()); err != nil {
		return c, fmt.Errorf("read batch in flight: %w", fault.As(fault.ErrCorrupt, err))
	} else if n == 0 {
		return c, fault.Corruptf("an empty batch in flight")
	}
	c.Batch = batch.Bytes()
	return c, nil
}
