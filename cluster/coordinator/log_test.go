package coordinator

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/cluster"
)

// What a job gets over is a warning: whoever runs it at the default level hears why it
// does not come on.
func TestWhatAJobGetsOverIsWarnedOf(t *testing.T) {
	plan := twoTasks()
	plan.Checkpoint.Interval, plan.Checkpoint.TolerableFailures = time.Second, 3
	for _, test := range []struct {
		name string
		do   func(*Coordinator)
		want string // empty: nothing
	}{
		{"an attempt fails", func(c *Coordinator) {
			c.transition(Transition{From: Stopping, To: Restarting, Cause: &cluster.Cause{Text: "no such channel"}})
		}, "no such channel"},
		{"a checkpoint fails", func(c *Coordinator) {
			c.stepCheckpoints(Declined{Checkpoint: 1, Reason: "disk full"})
		}, "disk full"},
		{"first inputs are read", func(c *Coordinator) {
			c.stepCheckpoints(Declined{Checkpoint: 1, Reason: "being read", NotYet: true})
		}, ""},
		{"the job ends", func(c *Coordinator) {
			for _, task := range tasks(plan) {
				c.stepCheckpoints(Ended{Task: task})
			}
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var said bytes.Buffer
			c := New(Config{
				Transport: cluster.NewLocal(), Plan: plan, History: &log{}, Term: 1, Next: 1,
				Logger: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn})),
			})
			c.phases = newPhases(t.Context(), c.job.Attempt())
			c.checkpoints = NewCheckpoints(plan)
			began := time.Now()
			c.stepCheckpoints(Began{Now: began, Next: 1})
			c.stepCheckpoints(Ticked{Now: began.Add(time.Second)})
			test.do(c)
			if got := said.String(); !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
				t.Errorf("said %q, want %q", got, test.want)
			}
		})
	}
}
