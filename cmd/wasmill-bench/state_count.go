package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	countKeys     = 1_000_000
	countInterval = 10 * time.Second // of checkpoints: each sample has one
)

const countJob = `version: 1
job: count
parallelism: 1
checkpoint: {interval: 10s}
operators:
  in: {source: generator, with: {keys: %d, valueSize: %d}}
  count: {module: %s, inputs: [{from: in, by: key}]}
  out: {sink: discard, inputs: [count]}
`

// measureStateCount counts by key, C and Go in turn.
func measureStateCount(ctx context.Context, l *lab) error {
	for range l.few() {
		if err := l.count(ctx, moduleRunningC, countC, countCPerCPU); err != nil {
			return err
		}
		if err := l.count(ctx, moduleRunningGo, countGo, countGoPerCPU); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) count(ctx context.Context, module, name, perCPU string) error {
	text := fmt.Sprintf(countJob, countKeys, valueSize, filepath.Join(l.root, module))
	// Five records a key: all but one key in 150 are there.
	p, err := l.steady(ctx, "count", text, 5*countKeys)
	if err != nil {
		return err
	}
	l.add(name, p.perSecond)
	l.add(perCPU, p.perCPUSecond)
	return nil
}

// steady runs a job, whose operator has the job's name, until it has taken in so many
// records, and then for as long as a checkpoint and what follows it take.
func (l *lab) steady(ctx context.Context, job, text string, warm float64) (p progress, err error) {
	store, drop, err := l.store()
	if err != nil {
		return p, err
	}
	defer drop()
	j, err := l.start(ctx, job, text, store, liveOptions{})
	if err != nil {
		return p, err
	}
	defer j.kill()
	if err := j.took(ctx, job, warm); err != nil {
		return p, err
	}
	h, err := openHistory(store, job)
	if err != nil {
		return p, err
	}
	return j.paceWithCheckpoint(ctx, job, h)
}

// paceWithCheckpoint fails when no checkpoint began and was completed meanwhile: then the
// pace would be that of a job which takes none.
func (j *live) paceWithCheckpoint(ctx context.Context, operator string, h *history) (p progress, err error) {
	began := time.Now()
	if p, err = j.pace(ctx, operator, countInterval); err != nil {
		return p, err
	}
	if _, err := h.read(ctx); err != nil {
		return p, err
	}
	if len(h.since(began)) == 0 {
		return p, fmt.Errorf("watch job %s: %w", j.name, errNoCheckpoint)
	}
	for name, share := range p.busy {
		if share > 0.01 {
			fmt.Fprintf(os.Stderr, "  %s: %s busy %.0f %% of the time\n", j.name, name, 100*share)
		}
	}
	return p, nil
}

var errNoCheckpoint = errors.New("no checkpoint was completed in time")

const windowKeys = 10_000

const windowJob = `version: 1
job: windows
parallelism: 1
checkpoint: {interval: 10s}
operators:
  in: {source: generator, with: {keys: %d, valueSize: %d}, watermark: {outOfOrder: 0s}}
  windows: {module: %s, inputs: [{from: in, by: key}], window: {%s}}
  out: {sink: discard, inputs: [windows]}
`

// measureStateWindows counts by key and window. The generator's clock goes by a second
// in a million records, so that a window of 10 s is full after ten.
func measureStateWindows(ctx context.Context, l *lab) error {
	module := filepath.Join(l.root, moduleWindows)
	for range l.few() {
		var of [2]progress
		for i, window := range []string{"tumbling: 10s", "sliding: {size: 10s, every: 1s}"} {
			var err error
			if of[i], err = l.steady(ctx, "windows", fmt.Sprintf(windowJob, windowKeys, valueSize, module, window), 11e6); err != nil {
				return err
			}
		}
		l.add(tumblingC, of[0].perSecond)
		l.add(tumblingPerCPU, of[0].perCPUSecond)
		l.add(slidingC, of[1].perSecond)
		l.add(slidingShare, of[1].perSecond/of[0].perSecond)
	}
	return nil
}

// measureStateDisk gives a process half as much memory as its state takes: first of its
// own, beside which the page cache is the machine's, then in all.
func measureStateDisk(ctx context.Context, l *lab) error {
	limit := l.stateBytes / 2
	for range l.few() {
		if err := l.diskOwn(ctx, limit); err != nil {
			return err
		}
		switch err := l.diskTight(ctx, limit); {
		case errors.Is(err, errNoCgroup):
			fmt.Fprintf(os.Stderr, "  %v: how it is without room for a page cache is not measured\n", err)
		case err != nil:
			return err
		}
	}
	return nil
}

// diskSettled is how long the file is written to before it is watched: what was restored
// is denser than it will ever be again.
const diskSettled = 15 * time.Second

// Of a process' memory, its state takes so much, and Go's heap so much at most; the rest
// is for what Go does not count. In percent.
const (
	diskCache = 70
	diskHeap  = 20
)

// diskOwn limits what the process takes for itself, by its own means.
func (l *lab) diskOwn(ctx context.Context, limit int64) error {
	p, peak, err := l.disk(ctx, limit, nil, "with the machine's page cache, asked to keep below")
	if err != nil {
		return err
	}
	l.add(countDisk, p.perSecond)
	l.add(countDiskPerCPU, p.perCPUSecond)
	l.add(countDiskMemory, float64(peak)/float64(limit))
	return nil
}

// diskTight has the kernel limit the process and the pages of its files.
func (l *lab) diskTight(ctx context.Context, limit int64) (err error) {
	group, err := newCgroup(limit)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, group.remove()) }()
	p, _, err := l.disk(ctx, limit, group, "in a cgroup of")
	if err != nil {
		return err
	}
	l.add(countTight, p.perSecond)
	l.add(countTightPerCPU, p.perCPUSecond)
	return nil
}

func (l *lab) disk(ctx context.Context, limit int64, group *cgroup, how string) (p progress, peak int64, err error) {
	o := liveOptions{env: []string{fmt.Sprint("GOMEMLIMIT=", limit/100*diskHeap)}, cgroup: group}
	began := time.Now()
	j, h, drop, err := l.resume(ctx, keepJob{Touched: l.stateKeys(), Backend: "disk", Cache: limit / 100 * diskCache, Interval: "10s"}, o)
	if err != nil {
		return p, 0, err
	}
	defer drop()
	if err := j.took(ctx, "keep", 1); err != nil {
		return p, 0, err
	}
	if err := j.rest(ctx, diskSettled); err != nil {
		return p, 0, err
	}
	if p, err = j.pace(ctx, "keep", countInterval); err != nil {
		return p, 0, err
	}
	if _, err := h.read(ctx); err != nil {
		return p, 0, err
	}
	if peak, err = peakBytes(j.cmd.Process.Pid); err != nil {
		return p, 0, err
	}
	fmt.Fprintf(os.Stderr, "  %s bytes of state, %s %s bytes; the process had %s at most; %d checkpoints so far\n",
		number(float64(l.stateBytes)), how, number(float64(limit)), number(float64(peak)), len(h.since(began)))
	fmt.Fprintf(os.Stderr, "  %s records/s, %s per CPU second\n", number(p.perSecond), number(p.perCPUSecond))
	return p, peak, nil
}

// measureStateKey takes the memory of a key of 16 bytes with a value of 8, as the system
// counts it.
func measureStateKey(ctx context.Context, l *lab) error {
	all, err := l.goBenchmarks(ctx, "./runtime/state", "^BenchmarkMemoryInsert$/^keys=1000000$", l.runs)
	if err != nil {
		return err
	}
	for _, b := range all {
		l.add(keyBytes, b.values["RSS-B/key"])
	}
	return nil
}
