package task

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
)

// setter sets a timer for each number in the value of a record, "10 20", with it as the
// tag, and gives the record out.
func setter(k *keeping) func(*guest, int, []byte) error {
	return func(g *guest, _ int, batch []byte) error {
		for c := record.NewCursor(batch); c.Next(); {
			for _, text := range strings.Fields(string(c.Value)) {
				at, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					continue
				}
				if err := k.set(state.EventTime, at, string(c.Key), text); err != nil {
					return err
				}
			}
		}
		return g.collector.Emit(0, batch)
	}
}

func newKeeping(log *[]string) *keeping {
	k := &keeping{guest: &guest{log: log}}
	k.process = setter(k)
	return k
}

// tell emits what happened, behind what was noted.
func tell(k *keeping, format string, args ...any) error {
	return k.collector.Emit(0, batchOf(fmt.Sprintf(format, args...)))
}

func TestTimersFireAheadOfTheWatermark(t *testing.T) {
	var log []string
	k := newKeeping(&log)
	k.onTimer = func(k *keeping, key, tag string, at int64) error { return tell(k, "%s rings at %d", key, at) }
	k.onWM = func(k *keeping, to int64) error { return tell(k, "past %s", watermarkName(to)) }
	s := open(t, modules("a"), &home{keeping: map[string]*keeping{"a": k}}, &log, Config{})

	s.write(0, event(1, "x", "10 20"))
	s.write(0, event(1, "y", "15 30"))
	s.turns()
	s.said("records set timers", "a process 0 10 20", "a process 0 15 30", "> 10 20,15 30")

	s.control(0, exchange.Watermark, 25)
	s.turns()
	s.said("one channel alone")

	// The earliest of each key, then what is left of those that are due; what is given out
	// is ahead of the watermark.
	s.control(1, exchange.Watermark, 25)
	s.turns()
	s.said("both",
		"a timers x@10/10 y@15/15 (at 25)", "a timers x@20/20 (at 25)", "a watermark 25",
		"> x rings at 10,y rings at 15,x rings at 20,past 25", "> watermark 25")

	s.control(0, exchange.Watermark, 25)
	s.control(1, exchange.Watermark, 24)
	s.turns()
	s.said("nothing new")

	// A timer for what is past waits for the next watermark.
	s.write(0, event(1, "z", "5"))
	s.turns()
	s.said("late", "a process 0 5", "> 5")
	s.control(0, exchange.Watermark, 26)
	s.control(1, exchange.Watermark, 26)
	s.turns()
	s.said("next", "a timers z@5/5 (at 26)", "a watermark 26", "> z rings at 5,past 26", "> watermark 26")

	// +∞ comes to the operator before its end, and fires all that is left.
	s.control(0, exchange.End, 0)
	s.control(1, exchange.End, 0)
	if !s.turns() {
		t.Fatal("it has not ended")
	}
	_, err := s.task.finish(t.Context())
	s.must(err)
	s.outcome()
	s.said("end", "a timers y@30/30 (at max)", "a watermark max", "a end", "> y rings at 30,past max", "> end")
}

func TestTimersThatTimersSet(t *testing.T) {
	var log []string
	k := newKeeping(&log)
	k.onTimer = func(k *keeping, key, tag string, at int64) error {
		if tag != "10" {
			return nil
		}
		if err := k.unset(state.EventTime, 20, key, "20"); err != nil {
			return err
		}
		if err := k.set(state.EventTime, 12, key, "again"); err != nil {
			return err
		}
		return k.set(state.EventTime, 31, key, "later")
	}
	s := open(t, modules("a"), &home{keeping: map[string]*keeping{"a": k}}, &log, Config{})
	s.write(0, event(1, "x", "10 20"))
	s.turns()
	log = nil
	for _, w := range []int64{30, 31} {
		s.control(0, exchange.Watermark, w)
		s.control(1, exchange.Watermark, w)
		s.turns()
	}
	s.said("set and deleted by the one before",
		"a timers x@10/10 (at 30)", "a timers x@12/again (at 30)", "a watermark 30", "> watermark 30",
		"a timers x@31/later (at 31)", "a watermark 31", "> watermark 31")
}

// More timers than one call takes come in several.
func TestManyTimers(t *testing.T) {
	var log []string
	k := newKeeping(&log)
	calls, fired := 0, map[string]bool{}
	k.onTimer = func(k *keeping, key, tag string, at int64) error {
		if fired[key+tag] {
			t.Errorf("%s fires again", key)
		}
		fired[key+tag] = true
		return nil
	}
	s := open(t, modules("a"), &home{keeping: map[string]*keeping{"a": k}}, &log, Config{})
	const keys = 5 * maxTimers / 2
	for i := range keys {
		s.must(k.set(state.EventTime, int64(i%7), fmt.Sprint(i), ""))
	}
	s.control(0, exchange.Watermark, 6)
	s.control(1, exchange.Watermark, 6)
	s.turns()
	for _, line := range log {
		if strings.HasPrefix(line, "a timers") {
			calls++
			if n := strings.Count(line, "@"); n > maxTimers {
				t.Errorf("%d in one call", n)
			}
		}
	}
	if len(fired) != keys || calls != 3 {
		t.Errorf("%d fired in %d calls, want %d in 3", len(fired), calls, keys)
	}
}

// In a chain, what one operator gives out when time advances is processed by the next
// before time advances for it.
func TestTimeGoesThroughAChain(t *testing.T) {
	var log []string
	a, b := newKeeping(&log), newKeeping(&log)
	a.onTimer = func(k *keeping, key, tag string, at int64) error { // b gets a timer that is due
		return k.collector.Emit(0, event(at, key, strconv.FormatInt(at+1, 10)))
	}
	a.onWM = func(k *keeping, to int64) error {
		if to == MaxWatermark {
			return nil
		}
		return k.collector.Emit(0, event(to, "w", strconv.FormatInt(to-1, 10)))
	}
	b.onTimer = func(k *keeping, key, tag string, at int64) error { return tell(k, "b rings at %d", at) }
	a.end = event(1, "e", "50")
	s := open(t, modules("a", "b"), &home{keeping: map[string]*keeping{"a": a, "b": b}}, &log, Config{})

	s.write(0, event(1, "x", "10"))
	s.turns()
	s.said("a record", "a process 0 10", "b process 0 10", "> 10")
	s.control(0, exchange.Watermark, 40)
	s.control(1, exchange.Watermark, 40)
	s.turns()
	s.said("a watermark",
		"a timers x@10/10 (at 40)", "b process 0 11",
		"a watermark 40", "b process 0 39",
		"b timers x@10/10 w@39/39 (at 40)", "b timers x@11/11 (at 40)", "b watermark 40",
		"> 11,39,b rings at 10,b rings at 39,b rings at 11", "> watermark 40")
	s.control(0, exchange.End, 0)
	s.control(1, exchange.End, 0)
	s.turns()
	_, err := s.task.finish(t.Context())
	s.must(err)
	s.outcome()
	s.said("the end",
		"a watermark max", "a end", "b process 0 50", "b timers e@50/50 (at max)", "b watermark max", "b end",
		"> 50,b rings at 50", "> end")
}

// What a guest holds back goes out before what would overtake it.
func TestNothingOvertakesWhatIsHeldBack(t *testing.T) {
	for name, test := range map[string]struct {
		kind  exchange.Kind
		value int64
		calls []string
		out   []string
	}{
		"a watermark": {exchange.Watermark, 9, []string{"a watermark 9"}, []string{"> held", "> watermark 9"}},
		"a barrier":   {exchange.Barrier, 3, []string{"a barrier 3"}, []string{"> held,written back", "> barrier 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			var log []string
			k := newKeeping(&log)
			k.process = func(g *guest, _ int, batch []byte) error { g.flush = batchOf("held"); return nil }
			k.onClose = func(k *keeping, _ uint64) error { return tell(k, "written back") }
			s := open(t, modules("a"), &home{keeping: map[string]*keeping{"a": k}}, &log, Config{})
			s.write(0, event(1, "x", "1"))
			s.control(0, test.kind, test.value)
			s.control(1, test.kind, test.value)
			s.turns()
			s.said(name, append(append([]string{"a process 0 1"}, test.calls...), test.out...)...)
		})
	}
}

// A batch of timers that its guest rejects one of is handled as any batch.
func TestATimerCanBeRejected(t *testing.T) {
	var log []string
	k := newKeeping(&log)
	k.onTimer = func(k *keeping, key, tag string, at int64) error {
		return k.collector.Reject(operator.Rejection{Index: 0, Reason: "no such rule"})
	}
	p := modules("a")
	s := open(t, p, &home{keeping: map[string]*keeping{"a": k}}, &log, Config{})
	s.must(k.set(state.EventTime, 4, "x", "tag"))
	for channel := range 2 {
		s.control(channel, exchange.Watermark, 5)
	}
	_, err := s.task.turn(t.Context())
	if err == nil {
		_, err = s.task.turn(t.Context())
	}
	if want := `a[0]: record 0 of its batch, key "x", time 4, value "tag": record rejected: no such rule`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestIdlenessGoesThroughAChain(t *testing.T) {
	var log []string
	a, b := newKeeping(&log), newKeeping(&log)
	s := open(t, modules("a", "b"), &home{keeping: map[string]*keeping{"a": a, "b": b}}, &log, Config{})
	s.control(0, exchange.Watermark, 5)
	s.control(0, exchange.Idle, 0)
	s.turns()
	s.said("one is idle")
	s.control(1, exchange.Watermark, 3)
	s.turns()
	s.said("the other tells the time", "a watermark 3", "b watermark 3", "> watermark 3")
	s.control(1, exchange.Idle, 0)
	s.turns()
	s.said("all are idle: what they said holds, ahead of it", "a watermark 5", "b watermark 5", "> watermark 5", "> idle")
	s.control(0, exchange.Active, 0)
	s.control(0, exchange.Watermark, 4)
	s.turns()
	s.said("time does not go back", "> active")
	s.control(0, exchange.Watermark, 8)
	s.turns()
	s.said("and goes on", "a watermark 8", "b watermark 8", "> watermark 8")
}
