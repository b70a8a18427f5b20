package task

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

// A source that is idle says so, behind all that it gave out; its next record comes
// behind the word that it is not.
func TestAnIdleSourceIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		in := &script{ready: make(chan struct{}, 9)}
		a := newKeeping(&log)
		h := &home{house: house{sources: map[string]*script{"in": in}}, keeping: map[string]*keeping{"a": a}}
		p := assigning(0, graph.Watermark{IdleAfter: time.Second}, "in", "a")
		s := open(t, p, h, &log, Config{})
		step := func(batch []byte) {
			in.steps = [][]byte{batch}
			_, err := s.task.turn(t.Context())
			s.must(err)
		}
		flush := func() {
			s.must(s.task.flush(t.Context()))
			s.outcome()
		}
		step(event(10, "x", "p"))
		time.Sleep(999 * time.Millisecond)
		flush()
		s.said("a record", "a process 0 p", "a watermark 9", "> p", "> watermark 9")
		step(nil)
		time.Sleep(999 * time.Millisecond)
		flush()
		s.said("not long enough")
		time.Sleep(time.Millisecond)
		flush()
		s.said("long enough", "> idle")
		time.Sleep(time.Hour)
		flush()
		s.said("said once")
		step(event(20, "x", "q"))
		s.outcome()
		s.said("a record", "a process 0 q", "> active", "> q")
		flush()
		s.said("flush", "a watermark 19", "> watermark 19")
	})
}

// A guest that takes long over a record has not been idle meanwhile: time without
// records begins behind the last one.
func TestSlowRecordsAreNotIdleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		a := newKeeping(&log)
		a.process = func(g *guest, _ int, batch []byte) error {
			time.Sleep(time.Minute)
			return g.collector.Emit(0, batch)
		}
		in := &script{steps: [][]byte{event(10, "x", "p")}}
		h := &home{house: house{sources: map[string]*script{"in": in}}, keeping: map[string]*keeping{"a": a}}
		s := open(t, assigning(0, graph.Watermark{IdleAfter: time.Second}, "in", "a"), h, &log, Config{})
		_, err := s.task.turn(t.Context())
		s.must(err)
		s.must(s.task.flush(t.Context()))
		s.outcome()
		s.said("a slow record", "a process 0 p", "a watermark 9", "> p", "> watermark 9")
	})
}

// What windows give out when time advances is seen at once: the sink is flushed behind it.
func TestSinksAreFlushedBehindTheWatermark(t *testing.T) {
	var log []string
	a := newKeeping(&log)
	a.onWM = func(k *keeping, to int64) error { return tell(k, "window") }
	in := &script{steps: [][]byte{event(10, "x", "p")}, ready: make(chan struct{}, 1)}
	sink := &flushed{}
	h := &home{
		house:   house{sources: map[string]*script{"in": in}, sinks: map[string]operator.Sink{"sink": sink}},
		keeping: map[string]*keeping{"a": a},
	}
	s := open(t, assigning(0, graph.Watermark{}, "in", "a", "sink"), h, &log, Config{})
	_, err := s.task.turn(t.Context())
	s.must(err)
	s.must(s.task.flush(t.Context()))
	if s.task.dirty {
		s.must(s.task.flush(t.Context()))
	}
	if len(sink.held) > 0 || !slices.Equal(sink.seen, []string{"p", "window"}) {
		t.Errorf("seen %q, held back %q", sink.seen, sink.held)
	}
}
