package coordinator

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/graph"
)

var update = flag.Bool("update", false, "write transcripts")

func twoTasks() *graph.Plan {
	return &graph.Plan{
		Namespace: "default", Job: "j", MaxParallelism: 128,
		Tasks: []graph.Task{{ID: 0, Operators: []int{0}, Parallelism: 1}, {ID: 1, Operators: []int{1}, Parallelism: 2}},
	}
}

// Each transcript is a list of events; -update writes what the job does after each.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(data))
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

func play(t *testing.T, transcript string) string {
	j := NewJob(twoTasks(), 1)
	if strings.Contains(transcript, "# restart: fixed") {
		j.backoff = NewBackoff(graph.Restart{Kind: graph.RestartFixed, Attempts: 2, Delay: 3 * time.Second})
	}
	var out strings.Builder
	now := time.Unix(0, 0)
	for line := range strings.Lines(transcript) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			fmt.Fprintln(&out, line)
		}
		if !strings.HasPrefix(line, "> ") {
			continue
		}
		fmt.Fprintln(&out, line)
		now = now.Add(time.Second)
		for _, a := range j.Step(now, parseEvent(t, j, strings.Fields(line[2:]))) {
			fmt.Fprintln(&out, "   ", describe(a))
		}
	}
	return out.String()
}

func parseEvent(t *testing.T, j *Job, f []string) Event {
	ref := j.ref
	if f[len(f)-1] == "(stale)" {
		ref.Attempt.Number--
		f = f[:len(f)-1]
	}
	switch f[0] {
	case "deploy":
		return Deploy{Workers: f[1:]}
	case "restore":
		return Deploy{Workers: f[1:], Restore: 7}
	case "concluded":
		c := Concluded{Checkpoint: 9}
		for i, op := range f[1:] {
			c.Transactions = append(c.Transactions, cluster.Transaction{Operator: op, Subtask: i})
		}
		return c
	case "attempt-failed":
		return AttemptFailed{Cause: cluster.Cause{Text: "checkpoints fail"}}
	case "hopeless":
		return AttemptFailed{Cause: cluster.Cause{Text: "no connection"}, Final: true}
	case "cancel":
		return CancelRequested{}
	case "patience-over":
		return PatienceOver{}
	case "lost":
		return WorkerLost{Worker: f[1], Reason: "it was killed"}
	}
	var m cluster.Message
	switch f[1] {
	case "prepared":
		m = cluster.Prepared{AttemptRef: ref}
	case "finished":
		done := cluster.TaskFinished{AttemptRef: ref}
		if _, err := fmt.Sscanf(f[2], "%d.%d", &done.Task.Task, &done.Task.Subtask); err != nil {
			t.Fatal(err)
		}
		m = done
	case "failed":
		m = cluster.Failed{AttemptRef: ref, Cause: cluster.Cause{Text: "trap"}}
	case "fenced":
		m = cluster.Failed{AttemptRef: ref, Cause: cluster.Cause{Class: "fenced", Text: "a higher term"}}
	case "committed":
		c := cluster.Committed{AttemptRef: ref, Checkpoint: 9, Transactions: len(j.transactions[f[0]])}
		if len(f) > 2 {
			fmt.Sscan(f[2], &c.Transactions)
		}
		m = c
	case "stopped":
		m = cluster.Stopped{AttemptRef: ref}
	default:
		t.Fatalf("unknown event %q", f)
	}
	return FromWorker{Worker: f[0], Message: m}
}

func describe(a Action) string {
	switch a := a.(type) {
	case Transition:
		s := fmt.Sprintf("%s -> %s", a.From, a.To)
		if a.Cause != nil {
			s += ": " + a.Cause.Text
		}
		return s
	case Conclude:
		return "write the final checkpoint"
	case Restart:
		return "restart after " + a.After.String()
	case Send:
		s := fmt.Sprintf("to %s: %s", a.To, strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", a.Message), "cluster.")))
		if c, ok := a.Message.(cluster.Commit); ok {
			for _, tx := range c.Transactions {
				s += fmt.Sprintf(" %s[%d]", tx.Operator, tx.Subtask)
			}
		}
		if p, ok := a.Message.(cluster.Prepare); ok {
			s += fmt.Sprintf(" attempt %s", p.Attempt)
			if p.Restore > 0 {
				s += fmt.Sprintf(" from checkpoint %d", p.Restore)
			}
		}
		return s
	}
	return fmt.Sprint(a)
}

// Whatever comes, in whatever order, a job that ends does so once, commits only when
// every task has finished, and starts only when every worker was prepared.
func TestRandomEventsKeepTheOrderOfALife(t *testing.T) {
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(seed, 1))
		j := NewJob(twoTasks(), 1)
		seen := map[string]bool{}
		finals := 0
		for range 60 {
			e := randomEvent(r, j, seen)
			for _, a := range j.Step(time.Unix(0, 0), e) {
				switch a := a.(type) {
				case Transition:
					if a.To.Final() {
						finals++
					}
				case Send:
					switch a.Message.(type) {
					case cluster.Start:
						if !seen["prepared w0"] || !seen["prepared w1"] {
							t.Fatalf("seed %d: started before all were prepared", seed)
						}
					case cluster.Commit:
						if !seen["finished 0.0"] || !seen["finished 1.0"] || !seen["finished 1.1"] {
							t.Fatalf("seed %d: committed before all had finished", seed)
						}
					}
				}
			}
		}
		if finals > 1 {
			t.Fatalf("seed %d: ended %d times", seed, finals)
		}
		if j.State().Final() != (finals == 1) {
			t.Fatalf("seed %d: state %s after %d ends", seed, j.State(), finals)
		}
	}
}

func randomEvent(r *rand.Rand, j *Job, seen map[string]bool) Event {
	ref := j.ref
	stale := r.IntN(5) == 0
	if stale {
		ref.Attempt.Number--
	}
	worker := fmt.Sprintf("w%d", r.IntN(2))
	note := func(what string) {
		if !stale {
			seen[what] = true
		}
	}
	switch r.IntN(15) {
	case 14:
		return Concluded{Checkpoint: 3, Transactions: []cluster.Transaction{{Operator: "out"}}}
	case 0, 1:
		return Deploy{Workers: []string{"w0", "w1"}}
	case 2, 3, 4:
		if len(j.workers) > 0 {
			note("prepared " + worker)
		}
		return FromWorker{worker, cluster.Prepared{AttemptRef: ref}}
	case 5, 6, 7, 8, 9:
		done := cluster.TaskFinished{AttemptRef: ref, Task: cluster.TaskRef{Task: r.IntN(2)}}
		if done.Task.Task == 1 {
			done.Task.Subtask = r.IntN(2)
		}
		note(fmt.Sprintf("finished %d.%d", done.Task.Task, done.Task.Subtask))
		return FromWorker{worker, done}
	case 10:
		return FromWorker{worker, cluster.Committed{AttemptRef: ref, Checkpoint: 3, Transactions: r.IntN(2)}}
	case 11:
		return FromWorker{worker, cluster.Stopped{AttemptRef: ref}}
	case 12:
		if r.IntN(4) == 0 {
			return WorkerLost{Worker: worker, Reason: "killed"}
		}
		return FromWorker{worker, cluster.Failed{AttemptRef: ref}}
	}
	return CancelRequested{}
}
