package task

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
)

// faultyOpener opens the job's operators.
type faultyOpener struct {
	f   *faulty
	t   *faultyTask
	cut *faultyCut
}

// Source gives out the batches of its subtask; its position is how many of them.
func (o *faultyOpener) Source(_ context.Context, op Opening) (operator.Source, State, error) {
	s := &faultySource{collector: op.Collector, batches: o.f.in[op.Subtask]}
	if op.Restored != nil {
		var err error
		if s.at, err = strconv.Atoi(op.Restored.Splits[0].Position); err != nil {
			return nil, State{}, err
		}
	}
	return s, State{}, nil
}

type faultySource struct {
	collector operator.Collector
	batches   [][]byte
	at        int
}

func (s *faultySource) Poll(int) (operator.Status, error) {
	if s.at == len(s.batches) {
		return operator.End, nil
	}
	s.at++
	return operator.More, s.collector.Emit(0, s.batches[s.at-1])
}
func (s *faultySource) Ready() <-chan struct{} { return nil }
func (s *faultySource) Position() []operator.Split {
	return []operator.Split{{ID: "0", Position: strconv.Itoa(s.at)}}
}
func (s *faultySource) Close() error { return nil }

// Function counts by key and window, and tells when a window is over.
func (o *faultyOpener) Function(_ context.Context, op Opening) (operator.Function, State, error) {
	first, end := keygroup.Range(op.Subtask, 2, 128)
	tables := []state.Table{{Name: "counts", Scope: state.ScopeKey}, {Name: state.TimersTable, Scope: state.ScopeKey}}
	memory, err := state.NewMemory(state.Options{Tables: tables, First: first, End: end})
	if err != nil {
		return nil, State{}, err
	}
	if o.cut != nil && len(o.cut.infos[o.t.index]) > 0 {
		infos := o.cut.infos[o.t.index]
		var readers []*state.RunReader
		for _, info := range infos {
			run := o.cut.bytes[o.t.index][info.Checkpoint]
			o.t.runs[info.Checkpoint] = run
			r, err := state.NewRunReader(bytes.NewReader(run))
			if err != nil {
				return nil, State{}, err
			}
			readers = append(readers, r)
		}
		merged, err := state.Merge(readers, first, end)
		if err == nil {
			err = memory.Restore(merged, infos[len(infos)-1].Checkpoint)
		}
		if err != nil {
			return nil, State{}, err
		}
		o.t.chain = state.NewChain(infos)
	}
	k := &keeping{guest: &guest{log: new([]string), collector: op.Collector}, keyed: &counted{Backend: memory}, now: op.Watermark}
	if k.timers, err = state.NewTimers(k.keyed, 1, first, end); err != nil {
		return nil, State{}, err
	}
	k.tables = state.NewTables(tables[:1], k.keyed, nil, first, end, 128)
	k.process, k.onTimer = k.countWindows, func(k *keeping, key, tag string, at int64) error { return k.closeWindow(key, tag) }
	return k, State{Keyed: k.keyed, Tables: k.tables, Timers: k.timers, Full: o.t.chain.Full, Confirmed: o.t.chain.Confirm}, nil
}

func (k *keeping) countWindows(_ *guest, _ int, batch []byte) error {
	for c := record.NewCursor(batch); c.Next(); {
		until := (c.Timestamp/faultyWindow + 1) * faultyWindow
		if until-1 <= k.now() {
			return fmt.Errorf("a record of %d behind the watermark %d", c.Timestamp, k.now())
		}
		value, _, _, err := k.tables.Get(0, c.Key, strconv.AppendInt(nil, until, 10))
		if err != nil {
			return err
		}
		n, _ := strconv.Atoi(string(value))
		if err := k.tables.Put(0, c.Key, strconv.AppendInt(nil, until, 10), strconv.AppendInt(nil, int64(n)+1, 10)); err != nil {
			return err
		}
		if err := k.set(state.EventTime, until-1, string(c.Key), strconv.FormatInt(until, 10)); err != nil {
			return err
		}
	}
	return nil
}

func (k *keeping) closeWindow(key, until string) error {
	value, _, ok, err := k.tables.Get(0, []byte(key), []byte(until))
	if err != nil || !ok {
		return fmt.Errorf("window %s until %s is gone: %w", key, until, err)
	}
	if err := tell(k, "%s until %s: %s", key, until, value); err != nil {
		return err
	}
	return k.tables.Delete(0, []byte(key), []byte(until))
}

// Sink stages lines and makes them visible when it is told.
func (o *faultyOpener) Sink(context.Context, Opening) (operator.Sink, error) {
	return &faultySink{}, nil
}

type faultySink struct{ lines []string }

func (s *faultySink) Write(batch []byte) error {
	for c := record.NewCursor(batch); c.Next(); {
		s.lines = append(s.lines, string(c.Value))
	}
	return nil
}
func (s *faultySink) Flush() error { return nil }
func (s *faultySink) Close() error { return nil }
func (s *faultySink) Prepare(uint64) (operator.Transaction, error) {
	if len(s.lines) == 0 {
		return nil, nil
	}
	staged, err := json.Marshal(s.lines)
	s.lines = nil
	return staged, err
}
