package task

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/id"
)

// Checkpoints complete while the sink stands still, and restarts from them give the
// output of a run without: nothing lost, nothing twice, each channel in order.
func TestRestartsFromOvertakingBarriers(t *testing.T) {
	in, out := 0, 0
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 1))
		patience := time.Duration(r.IntN(2)) * 2 * time.Millisecond
		var from map[id.Subtask]storedTask
		var wrote []string
		for attempt := range 1 + r.IntN(3) {
			p := startPressed(t, patience, from, true)
			polls := int64(0)
			if attempt == 0 {
				polls = 1 + r.Int64N(90)
			}
			from = p.crash(polls)
			n, err := strconv.Atoi(from[id.Subtask{Operator: "sink"}].transaction)
			if err != nil {
				t.Fatal(err)
			}
			wrote = append(wrote, p.sink.wrote[:n]...)
			for _, s := range from {
				in, out = in+s.in, out+s.out
			}
		}
		p := startPressed(t, patience, from, false)
		p.tasks.Wait()
		select {
		case err := <-p.failed:
			t.Fatal(err)
		default:
		}
		p.stop()
		if pressedOutput(t, append(wrote, p.sink.wrote...)); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if in == 0 || out == 0 {
		t.Errorf("%d and %d records were in flight: the test shows nothing", in, out)
	}
}

// pressedOutput checks what the sink wrote in all attempts.
func pressedOutput(t *testing.T, wrote []string) {
	t.Helper()
	numbers, last := map[string]int{}, map[string]int{}
	seen := map[string]bool{}
	for _, name := range wrote {
		parts := strings.Split(name, ":")
		numbers[parts[0]]++
		if parts[1] != strconv.Itoa(numbers[parts[0]]) {
			t.Fatalf("%s is record %d of its subtask", name, numbers[parts[0]])
		}
		if seen[parts[2]] {
			t.Fatalf("%s comes twice", parts[2])
		}
		seen[parts[2]] = true
		source, number, _ := strings.Cut(parts[2], "-")
		n, _ := strconv.Atoi(number)
		if key := source + ":" + parts[0]; n < last[key] {
			t.Fatalf("%s comes behind %d", name, last[key])
		} else {
			last[key] = n
		}
	}
	if want := pressedSources * pressedBatches * pressedRecords; len(seen) != want {
		t.Fatalf("%d records, want %d", len(seen), want)
	}
}

// While first inputs are read there is no checkpoint, whether its barrier waits or not.
func TestABarrierDoesNotOvertakeFirstInputs(t *testing.T) {
	var log []string
	p := modules("a")
	p.Checkpoint.Unaligned = true
	k := newKeeping(&log)
	s := open(t, p, &home{keeping: map[string]*keeping{"a": k}}, &log, Config{Inputs: []Input{{First: true}, {From: 1}}})
	s.write(0, event(1, "x", "table"))
	s.control(0, exchange.Barrier, 1)
	s.must(s.task.room(t.Context(), true))
	s.said("meanwhile", "not yet 1")
	s.turns()
	s.said("and on", "a process 0 table", "> abort 1", "> table")
	s.control(0, exchange.End, 0)
	s.write(1, event(1, "x", "lookup"))
	s.turns()
	s.said("then", "a process 0 lookup", "> lookup")
	s.write(1, event(1, "x", "behind"))
	s.control(1, exchange.Barrier, 2)
	s.must(s.task.room(t.Context(), true))
	s.outcome()
	s.said("overtaken", "a barrier 2", "> barrier 2")
	flight, err := s.took[0].Flight.Wait(t.Context())
	if err != nil || len(flight.In) != 1 || values(flight.In[0].Batch) != "behind" {
		t.Errorf("in flight: %v, %v", flight, err)
	}
}

// Who waits for what is in flight is told when it will never be known.
func TestAForgottenFlight(t *testing.T) {
	for name, end := range map[string]func(s *stage){
		"given up":            func(s *stage) { s.must(s.task.command(t.Context(), Command{Kind: Abort, Checkpoint: 1})) },
		"a later one came":    func(s *stage) { s.control(0, exchange.Barrier, 2); s.must(s.task.room(t.Context(), true)) },
		"the task has failed": func(s *stage) { s.task.forget(math.MaxUint64) },
	} {
		t.Run(name, func(t *testing.T) {
			var log []string
			p := modules("a")
			p.Checkpoint.Unaligned = true
			s := open(t, p, &home{keeping: map[string]*keeping{"a": newKeeping(&log)}}, &log, Config{})
			s.control(0, exchange.Barrier, 1) // that of the other channel does not come
			s.must(s.task.room(t.Context(), true))
			end(s)
			if _, err := s.took[0].Flight.Wait(t.Context()); err == nil {
				t.Error("what is in flight is known")
			}
		})
	}
}
