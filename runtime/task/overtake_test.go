package task

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

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
