package coordinator

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/wasmill/wasmill/cluster"
)

// Whoever asks for a checkpoint is told when it is in the log, or why it is not; one who
// asks before records flow is not forgotten.
func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := cluster.NewLocal()
		inbox, err := transport.Listen("w0")
		if err != nil {
			t.Fatal(err)
		}
		requests := make(chan Request, 1)
		var answers []string
		answered := make(chan string, 1)
		ask := func() { requests <- Request{Done: func(err error) { answered <- fmt.Sprint(err) }} }
		history := &log{}
		plan := twoTasks()
		plan.Checkpoint.Interval, plan.Checkpoint.TolerableFailures = 0, 1
		c := New(Config{Transport: transport, Plan: plan, Workers: 1, History: history, Term: 1, Next: 1, Requests: requests})
		send := func(m cluster.Message) {
			if err := transport.Send(cluster.CoordinatorAddress, cluster.Envelope{From: "w0", Message: m}); err != nil {
				t.Error(err)
			}
		}
		ask()
		go func() {
			synctest.Wait() // the coordinator listens
			send(cluster.Register{})
			var ref cluster.AttemptRef
			for {
				select {
				case e := <-inbox:
					switch m := e.Message.(type) {
					case cluster.Prepare:
						ref = m.AttemptRef
						send(cluster.Prepared{AttemptRef: ref})
					case cluster.TriggerCheckpoint:
						if m.Checkpoint == 2 {
							send(cluster.CheckpointDeclined{AttemptRef: ref, Checkpoint: 2, Reason: "disk full"})
							continue
						}
						for _, task := range tasks(plan) {
							send(cluster.CheckpointAck{AttemptRef: ref, Checkpoint: m.Checkpoint, Task: task})
						}
					case cluster.Cancel:
						send(cluster.Stopped{AttemptRef: ref})
						return
					}
				case answer := <-answered:
					if answers = append(answers, answer); len(answers) == 1 {
						ask()
						continue
					}
					for _, task := range tasks(plan) {
						send(cluster.TaskFinished{AttemptRef: ref, Task: task})
					}
				}
			}
		}()
		if result, err := c.Run(t.Context()); err != nil || result.State != Finished {
			t.Fatalf("%+v, %v", result, err)
		}
		if want := []string{"<nil>", "checkpoint 2: disk full"}; !slices.Equal(answers, want) {
			t.Errorf("told %q, want %q", answers, want)
		}
		if len(history.all) != 2 || history.all[0].Checkpoint != 1 || history.all[1].Checkpoint != 3 {
			t.Errorf("the log has %+v", history.all)
		}
	})
}
