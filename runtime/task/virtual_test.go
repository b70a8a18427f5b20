package task

import (
	"slices"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
)

// hand is a clock that a test moves. It notes where tasks ask it to stop.
type hand struct {
	now   time.Time
	stops []int64
}

func (h *hand) Now() time.Time { return h.now }

func (h *hand) After(at time.Time) <-chan time.Time {
	h.stops = append(h.stops, at.UnixMilli())
	return nil
}

// Everything that time causes goes by the task's clock, and is in front of a barrier
// that comes when the clock has moved.
func TestTimeIsTheClocksOwn(t *testing.T) {
	var log []string
	clock := &hand{now: time.UnixMilli(1000)}
	k := newKeeping(&log)
	k.onTimer = func(k *keeping, key, tag string, at int64) error {
		return tell(k, "%s at %d, it is %d", tag, at, k.keyed.times[len(k.keyed.times)-1])
	}
	k.process = func(g *guest, _ int, batch []byte) error {
		if err := k.set(state.ProcessingTime, 1500, "x", "soon"); err != nil {
			return err
		}
		if err := k.set(state.ProcessingTime, 900, "x", "past"); err != nil {
			return err
		}
		return k.set(state.ProcessingTime, 9000, "x", "late")
	}
	in := &script{steps: [][]byte{event(10, "x", "p")}, ready: make(chan struct{}, 1)}
	h := &home{house: house{sources: map[string]*script{"in": in}}, keeping: map[string]*keeping{"a": k}}
	s := open(t, modules("in", "a"), h, &log, Config{Clock: clock})
	s.must(s.task.tellTime(t.Context()))
	_, err := s.task.turn(t.Context())
	s.must(err)
	s.outcome()
	s.said("a record", "a process 0 p")

	// What is due already does not wait for the clock to move.
	s.must(s.task.tellTime(t.Context()))
	s.outcome()
	s.said("a timer for what is past", "a timers x@900/past by the clock (at none)", "> past at 900, it is 1000")

	clock.now = time.UnixMilli(1500)
	s.must(s.task.command(t.Context(), Command{Kind: Trigger, Checkpoint: 1}))
	s.outcome()
	s.said("barrier", "a timers x@1500/soon by the clock (at none)", "a barrier 1", "> soon at 1500, it is 1500", "> barrier 1")
	if !slices.Equal(clock.stops, []int64{9000}) {
		t.Errorf("the clock is to stop at %d", clock.stops)
	}
}

// Idleness is time of the clock, too: it is told in front of the barrier, and the task
// says when the clock has to stop for it.
func TestIdlenessIsTheClocks(t *testing.T) {
	var log []string
	clock := &hand{now: time.UnixMilli(1000)}
	in := &script{steps: [][]byte{event(10, "x", "p")}, ready: make(chan struct{}, 9)}
	h := &home{house: house{sources: map[string]*script{"in": in}}, keeping: map[string]*keeping{"a": newKeeping(&log)}}
	s := open(t, assigning(0, graph.Watermark{IdleAfter: time.Minute}, "in", "a"), h, &log, Config{Clock: clock})
	barrier := func(n uint64) {
		s.must(s.task.command(t.Context(), Command{Kind: Trigger, Checkpoint: n}))
		s.outcome()
	}
	_, err := s.task.turn(t.Context())
	s.must(err)
	s.must(s.task.flush(t.Context()))
	s.outcome()
	s.said("a record", "a process 0 p", "a watermark 9", "> p", "> watermark 9")
	clock.now = clock.now.Add(59 * time.Second)
	barrier(1)
	s.said("nearly", "a barrier 1", "> barrier 1")
	if want := []int64{61000}; !slices.Equal(clock.stops, want) {
		t.Errorf("the clock is to stop at %d, want %d", clock.stops, want)
	}
	clock.now, clock.stops = clock.now.Add(time.Second), nil
	barrier(2)
	s.said("a minute", "a barrier 2", "> idle", "> barrier 2")
	if len(clock.stops) > 0 {
		t.Errorf("the clock is to stop at %d for a source that is idle", clock.stops)
	}
}

// far is a source that knows how far event time is.
type far struct {
	waiting
	to int64
}

func (f *far) Reached() int64 { return f.to }

func TestASourceThatKnowsTheTime(t *testing.T) {
	var log []string
	in := &script{steps: [][]byte{event(10, "x", "p")}, ready: make(chan struct{}, 9)}
	h := &home{house: house{sources: map[string]*script{"in": in}}, keeping: map[string]*keeping{"a": newKeeping(&log)}}
	s := open(t, assigning(0, graph.Watermark{OutOfOrder: 5 * time.Millisecond}, "in", "a"), h, &log, Config{})
	source := &far{to: NoWatermark}
	s.task.head.source = source
	step := func(to int64) {
		source.to = to
		_, err := s.task.turn(t.Context())
		s.must(err)
		s.must(s.task.flush(t.Context()))
		s.outcome()
	}
	step(NoWatermark)
	s.said("nothing is known")
	step(20)
	s.said("known", "a watermark 20", "> watermark 20")
	step(19)
	s.said("time does not go back")
	s.must(s.task.head.Emit(0, event(record.NoTimestamp, "x", "q")))
	s.must(s.task.head.Emit(0, event(30, "x", "r")))
	step(21)
	s.said("records tell more", "a process 0 q", "a process 0 r", "a watermark 24", "> q,r", "> watermark 24")
}

var _ operator.Source = (*far)(nil)
