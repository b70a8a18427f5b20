package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wasmill/wasmill/snapshots"
)

const (
	moduleHeap      = "cmd/wasmill-bench/guests/heap.wasm"
	heapCheckpoints = 60     // that are watched, one a second
	heapRate        = 20_000 // records a second
	heapPace        = 15 * time.Second
)

// forbidRole runs wasmill without userfaultfd.
const forbidRole = "forbid"

// withoutRole is what a program gets that this one becomes.
func withoutRole(environ []string) []string {
	return slices.DeleteFunc(environ, func(v string) bool { return strings.HasPrefix(v, roleVariable+"=") })
}

const heapJobText = `version: 1
job: heap
parallelism: 1
checkpoint: {interval: %s}
operators:
  in: {source: generator, with: {rate: %s, keys: %d, valueSize: 24}}
  heap:
    module: %s
    inputs: [in]
    config: {mebibytes: %d, every: %d}
    state: {heap: true}
    limits: {memory: 2GiB, cpuPerBatch: 10m}
  out: {sink: %s, inputs: [heap]}
`

// heapJob is a Go guest with a map under load.
type heapJob struct {
	mebibytes int
	interval  string // of checkpoints; 1s if empty
	rate      string // of records; heapRate if empty
	rows      bool   // every record goes to stdout
	forbidden bool   // userfaultfd: written pages are found by hashes
}

// heap starts the job; its keys touch a hundredth of the pages many times a second.
func (l *lab) heap(ctx context.Context, h heapJob, store string, o liveOptions) (*live, error) {
	if h.interval == "" {
		h.interval = "1s"
	}
	if h.rate == "" {
		h.rate = fmt.Sprint(heapRate)
	}
	every, sink := 100, "discard"
	if h.rows {
		every, sink = 1, "stdout"
	}
	keys := (h.mebibytes - 4) * 1024 / 400
	o.args = append(o.args, "--log-level=info")
	if h.forbidden {
		o.role = forbidRole
	}
	text := fmt.Sprintf(heapJobText, h.interval, h.rate, keys, filepath.Join(l.root, moduleHeap), h.mebibytes, every, sink)
	return l.start(ctx, "heap", text, store, o)
}

// measureHeapPause takes the pauses and the bytes of checkpoints of a heap of 64 MiB, with
// the kernel's help and without.
func measureHeapPause(ctx context.Context, l *lab) error {
	for range l.few() {
		if err := l.heapPause(ctx, heapJob{mebibytes: 64}, heapPause, heapUpload, heapDirty); err != nil {
			return err
		}
		if err := l.heapPause(ctx, heapJob{mebibytes: 64, forbidden: true}, heapHashPause, heapHashUpload, ""); err != nil {
			return err
		}
	}
	return nil
}

// measureHeapLarge is the same at 1 GiB.
func measureHeapLarge(ctx context.Context, l *lab) error {
	for range l.few() {
		if err := l.heapPause(ctx, heapJob{mebibytes: 1024}, heapLargePause, heapLargeUpload, ""); err != nil {
			return err
		}
	}
	return nil
}

// heapPause watches checkpoints under load, those that are written whole among them, but for
// the first.
func (l *lab) heapPause(ctx context.Context, h heapJob, pause, upload, dirty string) error {
	store, drop, err := l.store()
	if err != nil {
		return err
	}
	defer drop()
	j, err := l.heap(ctx, h, store, liveOptions{})
	if err != nil {
		return err
	}
	defer j.kill()
	all, err := openHistory(store, "heap")
	if err != nil {
		return err
	}
	// The second one has what was written while the first was: all is quiet behind it.
	if _, err := all.completed(ctx, j, time.Time{}, 3); err != nil {
		return err
	}
	seen, err := all.completed(ctx, j, time.Now(), heapCheckpoints)
	if err != nil {
		return err
	}
	if err := j.watched(h.forbidden); err != nil {
		return err
	}
	ms := pauses(seen, "heap")
	own, pages := 0.0, 0.0
	for _, c := range seen {
		_, b := c.Size()
		own += float64(b) / 1e6
		pages += writtenPages(&c)
	}
	n := float64(len(seen))
	fmt.Fprintf(os.Stderr, "  %d MiB: %d checkpoints, pauses p50 %.3g ms, p99 %.3g ms, the longest %.3g ms; %.3g MB each, %.3g pages in each that is no base\n",
		h.mebibytes, len(seen), quantile(ms, 0.5), quantile(ms, 0.99), quantile(ms, 1), own/n, pages/n)
	l.add(pause, quantile(ms, 0.99))
	l.add(upload, own/n)
	if dirty != "" {
		l.add(dirty, 100*pages/n/float64(h.mebibytes<<8))
	}
	return nil
}

// writtenPages is about how many pages the checkpoint has written, if it is no base.
func writtenPages(c *snapshots.Checkpoint) float64 {
	runs := c.Operator("heap").Subtasks[0].Heap
	if len(runs) < 2 {
		return 0
	}
	return float64(runs[len(runs)-1].Length) / 4112
}

// watched checks that written pages were found as the measurement is about.
func (j *live) watched(forbidden bool) error {
	j.kill()
	want := "writtenPagesBy=userfaultfd"
	if forbidden {
		want = "writtenPagesBy=hashes"
	}
	if log := j.complaints.String(); !strings.Contains(log, want) {
		return fmt.Errorf("watch job %s: its log does not say %s: %s", j.name, want, strings.TrimSpace(log))
	}
	return nil
}

// measureHeapThroughput compares a job without checkpoints and one with, in turn.
func measureHeapThroughput(ctx context.Context, l *lab) error {
	for range l.few() {
		var paces [2]progress
		for i, interval := range []string{"off", "1s"} {
			var err error
			if paces[i], err = l.heapPace(ctx, interval); err != nil {
				return err
			}
		}
		l.add(heapNone, paces[0].perSecond)
		l.add(heapShare, paces[1].perSecond/paces[0].perSecond)
		l.add(heapShareCPU, paces[1].perCPUSecond/paces[0].perCPUSecond)
	}
	return nil
}

func (l *lab) heapPace(ctx context.Context, interval string) (p progress, err error) {
	store, drop, err := l.store()
	if err != nil {
		return p, err
	}
	defer drop()
	j, err := l.heap(ctx, heapJob{mebibytes: 64, interval: interval, rate: "max"}, store, liveOptions{})
	if err != nil {
		return p, err
	}
	defer j.kill()
	h, err := openHistory(store, "heap")
	if err != nil {
		return p, err
	}
	if err := j.took(ctx, "heap", 100*heapRate); err != nil {
		return p, err
	}
	before, err := h.newest(ctx)
	if err != nil {
		return p, err
	}
	if p, err = j.pace(ctx, "heap", heapPace); err != nil || interval == "off" {
		return p, err
	}
	after, err := h.newest(ctx)
	if err != nil {
		return p, err
	}
	if after == before {
		return p, fmt.Errorf("watch job heap: %w", errNoCheckpoint)
	}
	fmt.Fprintf(os.Stderr, "  checkpoints %s: %d of them, %s records/s\n", interval, after-before, number(p.perSecond))
	return p, nil
}

// measureHeapRestore takes the time that a heap of 256 MiB takes to come back from a folder,
// and that of the whole way: from the start of the process to the first row.
func measureHeapRestore(ctx context.Context, l *lab) error {
	store, drop, err := l.store()
	if err != nil {
		return err
	}
	defer drop()
	h := heapJob{mebibytes: 256, rows: true}
	if err := l.heapFill(ctx, h, store); err != nil {
		return err
	}
	for range l.runs {
		if err := l.heapRestore(ctx, h, store); err != nil {
			return err
		}
	}
	return nil
}

// heapFill runs the job until some checkpoints are complete, and kills it.
func (l *lab) heapFill(ctx context.Context, h heapJob, store string) error {
	j, err := l.heap(ctx, h, store, liveOptions{stdout: &rowWriter{}})
	if err != nil {
		return err
	}
	defer j.kill()
	all, err := openHistory(store, "heap")
	if err != nil {
		return err
	}
	_, err = all.completed(ctx, j, time.Time{}, 5)
	return err
}

func (l *lab) heapRestore(ctx context.Context, h heapJob, filled string) error {
	store, drop, err := l.store()
	if err != nil {
		return err
	}
	defer drop()
	if err := cloneStore(filled, store); err != nil {
		return fmt.Errorf("clone store: %w", err)
	}
	rows := &rowWriter{}
	h.interval = "1m"
	started := time.Now()
	j, err := l.heap(ctx, h, store, liveOptions{stdout: rows, args: []string{"--from", "latest"}})
	if err != nil {
		return err
	}
	defer j.kill()
	var took time.Duration
	err = j.wait(ctx, "give out a row", func() (bool, error) {
		at, ok := rows.first()
		took = at.Sub(started)
		return ok, nil
	})
	if err != nil {
		return err
	}
	j.kill()
	restored, err := restoredIn(j.complaints.String())
	if err != nil {
		return err
	}
	l.add(heapRestoreTime, restored.Seconds())
	l.add(heapFirstRow, took.Seconds())
	return nil
}

// restoredIn finds in a job's log how long it took to restore a heap.
func restoredIn(log string) (time.Duration, error) {
	for line := range strings.Lines(log) {
		if _, rest, ok := strings.Cut(line, `msg="heap restored"`); ok {
			_, rest, _ = strings.Cut(rest, "took=")
			text, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			return time.ParseDuration(text)
		}
	}
	return 0, errors.New("read log of job heap: it does not tell of a restored heap")
}
