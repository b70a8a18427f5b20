package coordinator

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/snapshots"
)

// slowLog takes its time to find the newest checkpoint.
type slowLog struct {
	*log
	asked, answer chan struct{}
}

func (l *slowLog) Latest(ctx context.Context, doubt bool) (*snapshots.Manifest, error) {
	l.asked <- struct{}{}
	<-l.answer
	return l.log.Latest(ctx, doubt)
}

// A worker that is lost while the log is read is waited for like any other.
func TestALossDuringARestartIsMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := cluster.NewLocal()
		plan := twoTasks()
		plan.Restart = graph.Restart{Kind: graph.RestartFixed, Attempts: 1, Delay: time.Second}
		history := &slowLog{log: &log{}, asked: make(chan struct{}), answer: make(chan struct{})}
		inboxes := map[string]<-chan cluster.Envelope{}
		for _, name := range []string{"w0", "w1"} {
			var err error
			if inboxes[name], err = transport.Listen(name); err != nil {
				t.Fatal(err)
			}
		}
		send := func(from string, m cluster.Message) {
			if err := transport.Send(cluster.CoordinatorAddress, cluster.Envelope{From: from, Message: m}); err != nil {
				t.Error(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() {
			synctest.Wait() // the coordinator listens
			obedient(func(m cluster.Message) bool {
				start, is := m.(cluster.Start)
				if is {
					send("w0", cluster.Failed{AttemptRef: start.AttemptRef, Cause: cluster.Cause{Text: "trouble"}})
				}
				return is
			})(inboxes["w0"], func(m cluster.Message) { send("w0", m) })
			for e := range inboxes["w0"] {
				if m, is := e.Message.(cluster.Cancel); is {
					send("w0", cluster.Stopped{AttemptRef: m.AttemptRef})
					break
				}
			}
			<-history.asked
			send("w0", cluster.Leaving{Reason: "killed"})
			synctest.Wait()
			history.answer <- struct{}{}
			synctest.Wait()
			go obedient(never)(inboxes["w1"], func(m cluster.Message) { send("w1", m) })
			<-history.asked
			history.answer <- struct{}{}
		}()
		result, err := New(Config{Transport: transport, Plan: plan, Workers: 1, History: history, Term: 1, Next: 1}).Run(ctx)
		if err != nil || result.State != Finished {
			t.Errorf("got %s: %v, %v", result.State, result.Err, err)
		}
	})
}
