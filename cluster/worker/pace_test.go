package worker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/graph"
)

func TestDue(t *testing.T) {
	for _, c := range []struct {
		done       float64
		most, want time.Duration
	}{
		{0, 0, 0},
		{0.5, 0, 0},
		{0, 11 * time.Second, time.Second},
		{0.5, 11 * time.Second, 6 * time.Second},
		{1, 11 * time.Second, 11 * time.Second},
	} {
		if got := due(c.done, c.most); got != c.want {
			t.Errorf("%g of what takes %v is due after %v, want %v", c.done, c.most, got, c.want)
		}
	}
}

func TestRest(t *testing.T) {
	const most = 10 * time.Second
	for name, c := range map[string]struct {
		began, worked time.Duration // ago
		done          float64
		most, want    time.Duration
	}{
		"it has just begun":       {writeFor / 2, writeFor / 2, 0, most, 0},
		"it worked":               {time.Millisecond, time.Millisecond, 0, most, restFactor * time.Millisecond},
		"it was held up":          {time.Second / 2, time.Second / 2, 0, most, longestRest},
		"it is behind its time":   {7 * time.Second, time.Millisecond, 0.5, most, 0},
		"it is not yet behind":    {5 * time.Second, time.Millisecond, 0.5, most, restFactor * time.Millisecond},
		"there is no more time":   {11 * time.Second, time.Millisecond, 1, most, 0},
		"there is no time at all": {time.Millisecond, time.Millisecond, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			p := pace{began: now.Add(-c.began), resumed: now.Add(-c.worked), most: c.most}
			if got := p.restFor(now, c.done); got != c.want {
				t.Errorf("it rests for %v, want %v", got, c.want)
			}
		})
	}
}

// However much there is to write, a checkpoint takes hardly longer than it may, or than it must.
func TestCheckpointEndsInTime(t *testing.T) {
	const most, piece = time.Second, 100 * time.Microsecond
	for _, work := range []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, 900 * time.Millisecond, 3 * time.Second} {
		began := time.Now()
		p, now := pace{began: began, resumed: began, most: most}, began
		for worked := time.Duration(0); worked < work; {
			now, worked = now.Add(piece), worked+piece
			if rest := p.restFor(now, float64(worked)/float64(work)); rest > 0 {
				now = now.Add(rest)
				p.resumed = now
			}
		}
		took := now.Sub(began)
		if limit := max(most, work+most/10) + longestRest; took > limit {
			t.Errorf("%v of work took %v, want %v at most", work, took, limit)
		}
		if least := min((1+restFactor)*work*9/10, most/2); took < least {
			t.Errorf("%v of work took %v without its rests, want %v at least", work, took, least)
		}
	}
}

// What is written when no task runs any more is not held up.
func TestNoRestWithoutTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idle := make(chan struct{})
		pace := paced(time.Hour, idle)()
		for i, want := range []time.Duration{restFactor * writeFor, restFactor * writeFor, 0, 0} {
			if i == 2 {
				close(idle)
			}
			time.Sleep(writeFor) // its work
			worked := time.Now()
			pace(0)
			if rested := time.Since(worked); rested != want {
				t.Errorf("it rested for %v, want %v", rested, want)
			}
		}
	})
}

func TestAnAttemptIsIdleWhenAllItsTasksHaveEnded(t *testing.T) {
	a := newAttempt(nil, cluster.Prepare{Plan: &graph.Plan{}})
	a.shares = []*share{{}, {}}
	for i, m := range a.shares {
		select {
		case <-a.idle:
			t.Errorf("idle though %d of 2 tasks run", 2-i)
		default:
		}
		a.ended(m)
	}
	<-a.idle
}
