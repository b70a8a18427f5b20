package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	// half of the keys of a twentieth of the state: 5 % of the keys are touched between
	// two checkpoints, all of them many times.
	touchedShare   = 20
	changedShare   = 100
	changedRate    = 200_000 // touches a second of the changed keys
	changedEach    = "2s"    // checkpoints meanwhile: eight touches a key
	deltasSeen     = 5
	pausesSeen     = 100
	latencySettled = 12 * time.Second
)

// measureStateCheckpoints compares, with all the state, a job without checkpoints and
// one with; counts the pauses of many checkpoints; and takes latencies at half load.
func measureStateCheckpoints(ctx context.Context, l *lab) error {
	touch := keepJob{Touched: l.stateKeys() / touchedShare}
	for range l.few() {
		var rates [2]float64
		for i, interval := range []string{"off", "5s"} {
			touch.Interval = interval
			p, err := l.resumedPace(ctx, touch)
			if err != nil {
				return err
			}
			rates[i] = p.perSecond
		}
		l.add(checkpointNone, rates[0])
		l.add(checkpointShare, rates[1]/rates[0])
	}
	for range l.few() {
		if err := l.pauses(ctx, touch); err != nil {
			return err
		}
	}
	touch.Interval, touch.Rate = "5s", int64(median(l.values[checkpointNone])/2)
	for range l.few() {
		if err := l.checkpointLatency(ctx, touch); err != nil {
			return err
		}
	}
	return nil
}

// resumedPace is the pace of a job once all the state is restored.
func (l *lab) resumedPace(ctx context.Context, k keepJob) (p progress, err error) {
	j, h, drop, err := l.resume(ctx, k, liveOptions{})
	if err != nil {
		return p, err
	}
	defer drop()
	if err := j.took(ctx, "keep", float64(k.Touched)); err != nil {
		return p, err
	}
	began := time.Now()
	if p, err = j.pace(ctx, "keep", 10*time.Second); err != nil {
		return p, err
	}
	if _, err := h.read(ctx); err != nil {
		return p, err
	}
	if k.Interval != "off" && len(h.since(began)) == 0 {
		return p, fmt.Errorf("watch job keep: %w", errNoCheckpoint)
	}
	fmt.Fprintf(os.Stderr, "  checkpoints %s: %s records/s, keep busy %.0f %%\n", k.Interval, number(p.perSecond), 100*p.busy["keep"])
	return p, nil
}

// pauses takes checkpoints in close succession, at full load.
func (l *lab) pauses(ctx context.Context, k keepJob) error {
	k.Interval = "100ms"
	j, h, drop, err := l.resume(ctx, k, liveOptions{})
	if err != nil {
		return err
	}
	defer drop()
	if err := j.took(ctx, "keep", float64(k.Touched)); err != nil {
		return err
	}
	began, end := time.Now(), time.Now().Add(20*time.Second)
	err = j.wait(ctx, "complete checkpoints", func() (bool, error) {
		_, err := h.read(ctx)
		return len(h.since(began)) >= pausesSeen || time.Now().After(end), err
	})
	if err != nil {
		return err
	}
	ms := pauses(h.since(began), "keep")
	if len(ms) == 0 {
		return fmt.Errorf("take pauses: %w", errNoCheckpoint)
	}
	fmt.Fprintf(os.Stderr, "  %d pauses, p50 %.3g ms, the longest %.3g ms\n", len(ms), quantile(ms, 0.5), quantile(ms, 1))
	l.add(pauseP99, quantile(ms, 0.99))
	return nil
}

func (l *lab) checkpointLatency(ctx context.Context, k keepJob) error {
	j, h, drop, err := l.resume(ctx, k, liveOptions{})
	if err != nil {
		return err
	}
	defer drop()
	if err := j.took(ctx, "keep", 1); err != nil {
		return err
	}
	if err := j.rest(ctx, latencySettled); err != nil {
		return err
	}
	if _, err := h.read(ctx); err != nil {
		return err
	}
	r, err := j.cancel()
	if err != nil {
		return err
	}
	if r.LatencyMs == nil {
		return errors.New("take latency: the job's report has none")
	}
	l.add(checkpointP50, r.LatencyMs.P50)
	l.add(checkpointP99, r.LatencyMs.P99)
	return nil
}

// measureStateDelta changes one key in a hundred between two checkpoints, first over a
// folder, then over MinIO.
func measureStateDelta(ctx context.Context, l *lab) error {
	full, err := l.filled(ctx)
	if err != nil {
		return err
	}
	store, drop, err := l.store()
	if err != nil {
		return err
	}
	defer drop()
	if err := cloneStore(full.path, store); err != nil {
		return fmt.Errorf("clone store: %w", err)
	}
	if err := l.deltas(ctx, store, full.bytes, deltaDir); err != nil {
		return err
	}
	server, err := l.startMinIO(ctx)
	if err != nil {
		return err
	}
	defer server.stop()
	there, err := l.fill(ctx, server.url)
	if err != nil {
		return fmt.Errorf("fill MinIO: %w", err)
	}
	whole, _ := there.Size()
	return l.deltas(ctx, server.url, whole, deltaMinIO)
}

// deltas goes on from a full checkpoint and takes small ones.
func (l *lab) deltas(ctx context.Context, store string, full int64, name string) error {
	k := keepJob{Touched: l.stateKeys() / changedShare, Rate: min(changedRate, 4*l.stateKeys()/changedShare), Interval: changedEach}
	j, err := l.keep(ctx, k, store, liveOptions{args: []string{"--from", "latest"}})
	if err != nil {
		return err
	}
	defer j.kill()
	h, err := openHistory(store, "keep")
	if err != nil {
		return err
	}
	// All keys were touched before the first that counts begins.
	if err := j.took(ctx, "keep", 4*float64(k.Touched)); err != nil {
		return err
	}
	all, err := h.completed(ctx, j, time.Now(), deltasSeen+1)
	if err != nil {
		return err
	}
	for _, c := range all[1:] {
		_, own := c.Size()
		l.add(deltaBytes, 100*float64(own)/float64(full))
		l.add(name, c.Duration.Seconds())
	}
	return nil
}
