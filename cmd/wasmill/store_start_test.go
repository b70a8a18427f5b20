package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

// secondPlan is a job that can start from a golden checkpoint.
func secondPlan() *graph.Plan {
	return &graph.Plan{
		Namespace: goldenJob.Namespace, Job: "second", MaxParallelism: goldenGroups,
		Operators: []graph.Operator{{Name: "in", Parallelism: 1}, {Name: "stats", Parallelism: 2}, {Name: "out", Parallelism: 1}},
	}
}

// Row 16, for the beginning of a job: a crash at each operation of the store, before or
// after its effect, leaves a job that goes on from the checkpoint when its user says so,
// and that does not start without it by itself (C3).
func TestCrashWhileAJobBegins(t *testing.T) {
	whole := new(storetest.Memory)
	writeGolden(t, whole)
	for name, crash := range map[string]storetest.Fault{"before": storetest.Crash, "after": storetest.CrashAfter} {
		t.Run(name, func(t *testing.T) {
			const from = "checkpoint:quakes/3"
			pending := 0
			k := 1
			for ; ; k++ {
				memory := whole.Clone()
				s := &jobStore{store: &storetest.Faulty{Store: memory, Decide: storetest.At(k, crash)}}
				if _, err := s.begin(t.Context(), secondPlan(), beginning{from: from}); err == nil {
					break
				}
				again := &jobStore{store: memory}
				log := snapshots.Log{Store: memory, Job: id.Job{Namespace: "default", Name: "second"}}
				state, err := log.Read(t.Context())
				must(t, err)
				said := from
				if state.Spec != nil {
					pending++
					said = "latest"
					if _, err := again.begin(t.Context(), secondPlan(), beginning{}); !errors.As(err, new(refusedError)) {
						t.Errorf("operation %d: without a word it starts: %v", k, err)
					}
				}
				h, err := again.begin(t.Context(), secondPlan(), beginning{from: said})
				if err != nil {
					t.Fatalf("operation %d: from %s: %v", k, said, err)
				}
				checkBegun(t, fmt.Sprint("operation ", k), h)
			}
			if k < 10 || pending == 0 {
				t.Errorf("%d operations, %d crashes after the job was in its log: the test shows little", k-1, pending)
			}
		})
	}
}

// checkBegun checks that a run starts from what golden checkpoint 3 has.
func checkBegun(t *testing.T, where string, h *history) {
	t.Helper()
	if h.from == nil {
		t.Errorf("%s: it starts from nothing", where)
		return
	}
	if h.from.Checkpoint <= 3 || h.next <= h.from.Checkpoint {
		t.Errorf("%s: checkpoint %d, next %d: numbers only grow", where, h.from.Checkpoint, h.next)
	}
	if err := h.folder().Check(t.Context(), h.from, snapshots.Full); err != nil {
		t.Errorf("%s: %v", where, err)
	}
	latest, err := h.Latest(t.Context(), true)
	if err != nil || latest == nil || latest.Checkpoint != h.from.Checkpoint {
		t.Errorf("%s: a restart takes %+v, %v", where, latest, err)
	}
	if got := h.from.Operator("in").Subtasks[0].Splits; !strings.Contains(string(got), `"300"`) {
		t.Errorf("%s: sources go on at %s", where, got)
	}
}

// A checkpoint that is older than the newest is another beginning: what came after it
// is not restored, neither by itself nor for "latest".
func TestGoingBackIsAnotherLife(t *testing.T) {
	memory := new(storetest.Memory)
	writeGolden(t, memory)
	s, plan := &jobStore{store: memory}, secondPlan()
	plan.Job = goldenJob.Name
	h, err := s.begin(t.Context(), plan, beginning{from: "checkpoint:quakes/2"})
	must(t, err)
	for range 2 {
		if h.from.Checkpoint <= 3 || !strings.Contains(string(h.from.Operator("in").Subtasks[0].Splits), `"200"`) {
			t.Errorf("it starts from checkpoint %d, %s", h.from.Checkpoint, h.from.Operator("in").Subtasks[0].Splits)
		}
		if latest, err := h.Latest(t.Context(), false); err != nil || latest.Checkpoint != h.from.Checkpoint {
			t.Errorf("a restart takes %+v, %v", latest, err)
		}
		must(t, h.tidyOnce(t.Context(), id.Attempt{Term: h.term, Number: 1}))
		for _, c := range stateOf(t, s, goldenJob.Name).Checkpoints { // they share packs
			if err := h.folder().Check(t.Context(), &c.Manifest, snapshots.Full); err != nil {
				t.Errorf("checkpoint %d, after tidying: %v", c.Checkpoint, err)
			}
		}
		h, err = s.begin(t.Context(), plan, beginning{from: "latest"})
		must(t, err)
	}
}

// Whoever runs a job may complete a checkpoint while another takes it over: up to the
// fence it counts, and the new run starts from it.
func TestTakeoverStartsFromWhatIsBeforeTheFence(t *testing.T) {
	memory := new(storetest.Memory)
	writeGolden(t, memory)
	plan := secondPlan()
	plan.Job = goldenJob.Name
	first, err := (&jobStore{store: memory}).begin(t.Context(), plan, beginning{from: "latest"})
	must(t, err)
	complete := func() {
		m := *first.from
		m.Checkpoint, m.Attempt = first.next, id.Attempt{Term: first.term, Number: 1}
		must(t, first.Record(t.Context(), &m))
	}
	fenced := false
	late := &storetest.Faulty{Store: memory, Decide: func(op storetest.Op) storetest.Fault {
		if op.Verb == "PutIfAbsent" && !fenced {
			fenced = true
			complete() // in the place where the fence was to be
		}
		return storetest.None
	}}
	second, err := (&jobStore{store: late}).begin(t.Context(), plan, beginning{from: "latest"})
	must(t, err)
	if second.from.Checkpoint != first.next || second.next != first.next+1 {
		t.Errorf("it starts from checkpoint %d, next %d; %d was complete", second.from.Checkpoint, second.next, first.next)
	}
	if latest, err := first.Latest(t.Context(), false); !errors.Is(err, fault.ErrFenced) {
		t.Errorf("who was deposed starts another attempt from %+v, %v", latest, err)
	}
}

// A sink of another job makes visible what it has staged, unless it is the same place.
func TestStagedResultsOfAnotherJob(t *testing.T) {
	file := func(path string) *graph.Plan {
		p := secondPlan()
		p.Operators[2].Connector, p.Operators[2].With = "file", fmt.Appendf(nil, `{"path":%q}`, path)
		return p
	}
	for name, c := range map[string]struct {
		theirs *graph.Plan
		own    bool
		want   int
	}{
		"the job's own":     {nil, true, 1},
		"the same place":    {file("/out"), false, 1},
		"another place":     {file("/other"), false, 0},
		"nobody knows":      {nil, false, 0},
		"another connector": {secondPlan(), false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			memory := new(storetest.Memory)
			writeGolden(t, memory)
			state := stateOf(t, &jobStore{store: memory}, goldenJob.Name)
			m := state.Find(3).Manifest
			o := &origin{foreign: !c.own, plan: c.theirs}
			o.settle(&m, file("/out"))
			if got := len(m.Operator("out").Subtasks[0].Transactions); got != c.want {
				t.Errorf("%d transactions are left, want %d", got, c.want)
			}
		})
	}
}

// What is wrong with a bucket is found out when it is opened, and has its exit code.
func TestBucketsThatCanNotBeOpened(t *testing.T) {
	server := storetest.StartMinIO(t)
	good := server.URL("p")
	for _, c := range []struct {
		name, url, secret string
		code              int
		says              string
	}{
		{"good", good, "", exitDone, ""},
		{"no such bucket", strings.Replace(good, server.Bucket, "nowhere", 1), "", exitInvalid, `bucket "nowhere" does not exist (make it, or correct the store's URL)`},
		{"wrong secret", good, "guessed", exitNotAllowed, "are the credentials in AWS_ACCESS_KEY_ID"},
		{"TLS where there is none", strings.Replace(good, "tls=false", "tls=true", 1), "", exitUnreachable, "tls=false in the URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.secret != "" {
				t.Setenv("AWS_SECRET_ACCESS_KEY", c.secret)
			}
			_, err := openStore(t.Context(), c.url)
			if code := exitCode(err); code != c.code || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("exit code %d, want %d: %v", code, c.code, err)
			}
			if err != nil && (strings.Contains(err.Error(), "\n") || c.secret != "" && strings.Contains(err.Error(), c.secret)) {
				t.Errorf("it says %v", err)
			}
		})
	}
	server.Kill()
	if _, err := openStore(t.Context(), good); exitCode(err) != exitUnreachable {
		t.Errorf("without a server: %v", err)
	}
}
