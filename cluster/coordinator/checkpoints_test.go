package coordinator

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/snapshots"
)

// Each transcript is a pace, then events at a number of seconds; -update writes what
// the machine does after each.
func TestCheckpointTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/checkpoints/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := playCheckpoints(t, string(data))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(data) {
				t.Errorf("got\n%s\nwant\n%s", got, data)
			}
		})
	}
}

func playCheckpoints(t *testing.T, transcript string) string {
	var machine *Checkpoints
	var out strings.Builder
	for line := range strings.Lines(transcript) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
			fmt.Fprintln(&out, line)
		case line == "pace" || strings.HasPrefix(line, "pace "):
			fmt.Fprintln(&out, line)
			machine = NewCheckpoints(parsePace(t, strings.Fields(line)[1:]))
		case strings.HasPrefix(line, "> "):
			fmt.Fprintln(&out, line)
			for _, a := range machine.Step(parseCheckpointEvent(t, strings.Fields(line[2:]))) {
				fmt.Fprintln(&out, "   ", describeCheckpoint(a))
			}
		}
	}
	return out.String()
}

func parsePace(t *testing.T, fields []string) *graph.Plan {
	plan := twoTasks()
	p := &plan.Checkpoint
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		d, _ := time.ParseDuration(value)
		switch name {
		case "interval":
			p.Interval = d
		case "timeout":
			p.Timeout = d
		case "minPause":
			p.MinPause = d
		case "maxConcurrent":
			fmt.Sscan(value, &p.MaxConcurrent)
		case "reads": // what the one task gives out
			plan.Edges = []graph.Edge{{From: 0, To: 1, Partition: graph.ByKey}}
		case "tolerable":
			fmt.Sscan(value, &p.TolerableFailures)
		default:
			t.Fatalf("unknown pace %q", f)
		}
	}
	return plan
}

func parseCheckpointEvent(t *testing.T, f []string) CheckpointEvent {
	var seconds float64
	if _, err := fmt.Sscan(f[0], &seconds); err != nil {
		t.Fatalf("%q: %v", f, err)
	}
	now := time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second)))
	number := func(i int) (n uint64) {
		if _, err := fmt.Sscan(f[i], &n); err != nil {
			t.Fatalf("%q: %v", f, err)
		}
		return n
	}
	task := func(i int) (r cluster.TaskRef) {
		if _, err := fmt.Sscanf(f[i], "%d.%d", &r.Task, &r.Subtask); err != nil {
			t.Fatalf("%q: %v", f, err)
		}
		return r
	}
	left := func(r cluster.TaskRef, i int) []cluster.Snapshot {
		s := cluster.Snapshot{Operator: fmt.Sprint("op", r.Task), Subtask: snapshots.Subtask{Index: r.Subtask}}
		if len(f) > i {
			s.Transactions = [][]byte{[]byte(f[i])}
		}
		return []cluster.Snapshot{s}
	}
	switch f[1] {
	case "began":
		return Began{Now: now, Next: number(2)}
	case "tick":
		return Ticked{Now: now}
	case "requested":
		return Requested{Now: now}
	case "ack":
		return Acked{Now: now, Checkpoint: number(2), Task: task(3), Snapshots: left(task(3), 4)}
	case "declined":
		return Declined{Now: now, Checkpoint: number(2), Reason: "disk full"}
	case "not-yet":
		return Declined{Now: now, Checkpoint: number(2), Reason: "first inputs are being read", NotYet: true}
	case "ended":
		return Ended{Now: now, Task: task(2), Snapshots: left(task(2), 3)}
	case "logged":
		return Logged{Now: now, Checkpoint: number(2)}
	case "log-failed":
		return Logged{Now: now, Checkpoint: number(2), Err: errors.New("503")}
	}
	t.Fatalf("unknown event %q", f)
	return nil
}

func describeCheckpoint(a CheckpointAction) string {
	listed := func(all []cluster.Snapshot) (s string) {
		for _, part := range all {
			s += fmt.Sprintf(" %s[%d]", part.Operator, part.Index)
			for _, data := range part.Transactions {
				s += "+" + string(data)
			}
		}
		return s
	}
	switch a := a.(type) {
	case Trigger:
		return fmt.Sprintf("trigger %d", a.Checkpoint)
	case WriteManifest:
		return fmt.Sprintf("write manifest %d%s%s", a.Checkpoint, map[bool]string{true: " (final)"}[a.Final], listed(a.Snapshots))
	case Completed:
		return fmt.Sprintf("completed %d%s", a.Checkpoint, map[bool]string{true: " (final)"}[a.Final])
	case Aborted:
		return fmt.Sprintf("aborted %d: %s", a.Checkpoint, a.Reason)
	case GiveUp:
		return "give up: " + a.Reason
	}
	return fmt.Sprint(a)
}

// However acks, ends, failures and slow stores fall together: numbers only grow, one
// manifest is written at a time and lists every task once, a checkpoint is completed or
// aborted once, and the final one comes last.
func TestSimulatedCheckpoints(t *testing.T) {
	finals := 0
	for seed := range uint64(3000) {
		if simulateCheckpoints(t, seed) {
			finals++
		}
	}
	if finals < 1000 {
		t.Errorf("%d of 3000 runs came to their final checkpoint: the simulation shows little", finals)
	}
}

func simulateCheckpoints(t *testing.T, seed uint64) (final bool) {
	r := rand.New(rand.NewPCG(seed, 3))
	plan := twoTasks()
	plan.Checkpoint = graph.Checkpointing{
		Interval: time.Second, Timeout: 5 * time.Second, MaxConcurrent: 1 + r.IntN(3), TolerableFailures: 1000, MinPause: time.Duration(r.IntN(2)) * time.Second,
	}
	if seed%2 == 1 {
		plan.Edges = []graph.Edge{{From: 0, To: 1, Partition: graph.ByKey}}
	}
	all := tasks(plan)
	c := NewCheckpoints(plan)
	now := time.Unix(1000, 0)
	s := checkpointWatch{t: t, seed: seed, over: map[uint64]bool{}}
	s.watch(c.Step(Began{Now: now, Next: 1}))
	ended := map[cluster.TaskRef]bool{}
	for range 400 {
		now = now.Add(time.Duration(r.IntN(700)) * time.Millisecond)
		task := all[r.IntN(len(all))]
		part := []cluster.Snapshot{{Operator: fmt.Sprint("op", task.Task), Subtask: snapshots.Subtask{Index: task.Subtask}}}
		switch n := r.IntN(40); {
		case n < 12:
			s.watch(c.Step(Ticked{Now: now}))
		case n < 30 && !ended[task] && s.triggered > 0:
			s.watch(c.Step(Acked{Now: now, Checkpoint: s.triggered - uint64(r.IntN(int(min(3, s.triggered)))), Task: task, Snapshots: part}))
		case n < 36 && s.writing != 0:
			var err error
			if r.IntN(4) == 0 && !s.final {
				err = errors.New("503")
			}
			writing := s.writing
			s.writing = 0
			s.watch(c.Step(Logged{Now: now, Checkpoint: writing, Err: err}))
		case n == 36 && s.triggered > 0:
			s.watch(c.Step(Declined{Now: now, Checkpoint: s.triggered}))
		case n == 37:
			ended[task] = true
			s.watch(c.Step(Ended{Now: now, Task: task, Snapshots: part}))
		}
	}
	return s.done
}

// checkpointWatch checks what a machine does.
type checkpointWatch struct {
	t                  *testing.T
	seed               uint64
	triggered, writing uint64
	completed          uint64
	over               map[uint64]bool
	final, done        bool
}

func (s *checkpointWatch) watch(actions []CheckpointAction) {
	s.t.Helper()
	for _, a := range actions {
		switch a := a.(type) {
		case Trigger:
			if a.Checkpoint <= s.triggered || s.final {
				s.t.Fatalf("seed %d: %d triggered after %d", s.seed, a.Checkpoint, s.triggered)
			}
			s.triggered = a.Checkpoint
		case WriteManifest:
			if s.writing != 0 || s.over[a.Checkpoint] || a.Checkpoint <= s.completed || len(a.Snapshots) != 3 {
				s.t.Fatalf("seed %d: manifest %d of %d parts while %d is written, %d was completed", s.seed, a.Checkpoint, len(a.Snapshots), s.writing, s.completed)
			}
			s.writing, s.final = a.Checkpoint, a.Final
		case Completed:
			s.end(a.Checkpoint)
			s.completed, s.done = a.Checkpoint, s.done || a.Final
		case Aborted:
			s.end(a.Checkpoint)
		case GiveUp:
			s.t.Fatalf("seed %d: gave up: %s", s.seed, a.Reason)
		}
	}
}

func (s *checkpointWatch) end(n uint64) {
	s.t.Helper()
	if s.over[n] || s.done {
		s.t.Fatalf("seed %d: %d ended twice, or behind the final one", s.seed, n)
	}
	s.over[n] = true
}
