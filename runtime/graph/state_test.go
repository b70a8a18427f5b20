package graph

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a job file says about checkpoints and restarts, and what that leaves to defaults.
func TestCheckpointing(t *testing.T) {
	checkpointing := func(change func(*Checkpointing)) Checkpointing {
		c := Checkpointing{
			Mode: ExactlyOnce, Timeout: 10 * time.Minute, MaxConcurrent: 1, TolerableFailures: 3,
			Retain: Retain{Count: 3, OnCancel: Keep, OnFailure: Keep},
		}
		change(&c)
		return c
	}
	none := Restart{Kind: RestartNone}
	exponential := Restart{Kind: RestartExponential, Attempts: Unlimited, Initial: time.Second, Max: time.Minute, ResetAfter: 10 * time.Minute}
	every := checkpointing(func(c *Checkpointing) { c.Interval = 10 * time.Second })
	for _, c := range []struct {
		lines      string
		checkpoint Checkpointing
		restart    Restart
	}{
		{"", checkpointing(func(*Checkpointing) {}), none},
		{"checkpoint: {interval: off}", checkpointing(func(*Checkpointing) {}), none},
		{"checkpoint: {interval: 10s}", every, exponential},
		{"checkpoint: {interval: 10s}\nrestart: none", every, none},
		{"checkpoint: {interval: 10s}\nrestart: exponential", every, exponential},
		{"checkpoint: {interval: 10s}\nrestart: {fixed: {attempts: 7}}", every, Restart{Kind: RestartFixed, Attempts: 7, Delay: time.Second}},
		{"checkpoint: {interval: 10s}\nrestart: {fixed: {delay: 0s, attempts: unlimited}}", every, Restart{Kind: RestartFixed, Attempts: Unlimited}},
		{"checkpoint: {interval: 10s}\nrestart: rate", every, Restart{Kind: RestartRate, Failures: 1, Per: time.Minute, Delay: time.Second}},
		{"restart: {rate: {failures: 2, per: 1h, delay: 5s}}", checkpointing(func(*Checkpointing) {}), Restart{Kind: RestartRate, Failures: 2, Per: time.Hour, Delay: 5 * time.Second}},
		{"checkpoint: {alignment: aligned}", checkpointing(func(*Checkpointing) {}), none},
		{"checkpoint: {alignment: unaligned}", checkpointing(func(c *Checkpointing) { c.Unaligned = true }), none},
		{"checkpoint: {alignment: {unalignedAfter: 3s}}", checkpointing(func(c *Checkpointing) { c.Unaligned, c.UnalignedAfter = true, 3*time.Second }), none},
		{"checkpoint: {mode: at-least-once, maxConcurrent: 4}", checkpointing(func(c *Checkpointing) { c.Mode, c.MaxConcurrent = AtLeastOnce, 4 }), none},
		{"checkpoint: {store: ../snapshots}", checkpointing(func(c *Checkpointing) { c.Store = "/snapshots" }), none},
		{"checkpoint: {store: s3://b/p}", checkpointing(func(c *Checkpointing) { c.Store = "s3://b/p" }), none},
		{"checkpoint: {store: file:///var/jobs}", checkpointing(func(c *Checkpointing) { c.Store = "file:///var/jobs" }), none},
	} {
		t.Run(c.lines, func(t *testing.T) {
			file := "version: 1\njob: x\n" + c.lines + "\noperators: {in: {source: stdin}, out: {sink: stdout, inputs: [in]}}\n"
			plan, err := Load("/jobs/x.yaml", []byte(file), Options{}, modules, catalog{})
			if err != nil {
				t.Fatal(err)
			}
			if plan.Checkpoint != c.checkpoint {
				t.Errorf("checkpoint is %+v, want %+v", plan.Checkpoint, c.checkpoint)
			}
			if plan.Restart != c.restart {
				t.Errorf("restart is %+v, want %+v", plan.Restart, c.restart)
			}
		})
	}
}

// Which modules can keep state by key, and where the engine's outputs stand.
func TestKeyedState(t *testing.T) {
	const file = `
version: 1
job: x
operators:
  in: {source: values, with: {records: [a]}}
  forward: {module: pass.wasm, inputs: [in]}
  keyed: {module: pass.wasm, inputs: [{from: in, by: key}]}
  kept: {module: pass.wasm, inputs: [keyed]}
  lost: {module: filter.wasm, inputs: [kept], config: {field: a}}
  behind: {module: pass.wasm, inputs: [lost]}
  rejected: {module: pass.wasm, inputs: [stats.bad]}
  both: {module: pass.wasm, inputs: [kept, forward]}
  rules: {module: join.wasm, inputs: [{from: in, as: left, by: broadcast}, {from: kept, as: right}]}
  copies: {module: pass.wasm, inputs: [{from: in, by: broadcast}]}
  stats: {module: stats.wasm, inputs: [kept], window: {tumbling: 1s}, onReject: {to: bad}}
  late: {module: pass.wasm, inputs: [recent.late]}
  recent: {module: stats.wasm, inputs: [kept], window: {tumbling: 1s}, onReject: {to: bad}}
  out: {sink: discard, inputs: [behind, rejected, both, rules, copies, stats, late, recent, recent.bad]}
`
	plan, err := Load("/jobs/x.yaml", []byte(file), Options{}, modules, catalog{})
	if err != nil {
		t.Fatal(err)
	}
	var keyed []string
	for _, o := range plan.Operators {
		if o.State != nil && o.State.Keyed {
			keyed = append(keyed, o.Name)
		}
		switch {
		case o.Name == "stats" && (o.Window.Late != -1 || o.OnReject.Output != 2),
			o.Name == "recent" && (o.Window.Late != 2 || o.OnReject.Output != 3):
			t.Errorf("%s: late goes to %d, rejects to %d of %q", o.Name, o.Window.Late, o.OnReject.Output, o.Outputs)
		}
	}
	slices.Sort(keyed)
	if want := []string{"kept", "keyed", "late", "lost", "recent", "rejected", "rules", "stats"}; !slices.Equal(keyed, want) {
		t.Errorf("keyed are %q, want %q", keyed, want)
	}
}

// Thousands of sources, each ending only after the one before, are checked at once.
func TestManyFirstInputs(t *testing.T) {
	const n = 3000
	var line strings.Builder
	line.WriteString("version: 1\njob: x\noperators:\n s0: {source: generator}\n")
	for i := range n {
		fmt.Fprintf(&line, " s%d: {source: generator}\n o%d: {sink: discard, inputs: [{from: s%d, first: true}, s%d]}\n", i+1, i, i, i+1)
	}
	if _, err := Load("x.yaml", []byte(line.String()), Options{}, modules, catalog{}); err != nil {
		t.Errorf("a line: %.200v", err)
	}
	circle := line.String() + fmt.Sprintf(" o%d: {sink: discard, inputs: [{from: s%d, first: true}, s0]}\n", n, n)
	if _, err := Load("x.yaml", []byte(circle), Options{}, modules, catalog{}); err == nil || !strings.Contains(err.Error(), "each waits for the next") {
		t.Errorf("a circle: %.200v", err)
	}
}
