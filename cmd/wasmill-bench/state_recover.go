package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/wasmill/wasmill/runtime/keygroup"
)

// measureStateRestore takes the time from the start of a process to the first row of a
// job that goes on from a checkpoint with all the state.
func measureStateRestore(ctx context.Context, l *lab) error {
	for range l.few() {
		if err := l.restore(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) restore(ctx context.Context) error {
	rows := &rowWriter{}
	k := keepJob{Touched: l.stateKeys(), Rate: 10_000, Interval: "1m", Sink: "stdout"}
	if _, err := l.filled(ctx); err != nil {
		return err
	}
	started := time.Now()
	j, _, drop, err := l.resume(ctx, k, liveOptions{stdout: rows})
	if err != nil {
		return err
	}
	defer drop()
	var took time.Duration
	err = j.wait(ctx, "give out a row", func() (bool, error) {
		at, ok := rows.first()
		took = at.Sub(started)
		return ok, nil
	})
	if err == nil {
		l.add(restoreTime, took.Seconds())
	}
	return err
}

const (
	strikeSubtasks = 2
	strikeEvery    = 1000
	strikeGroups   = 128 // the job's maxParallelism
	// What the killed worker had taken in, and may already have sent on.
	strikeInFlight = 100_000
)

// measureStateStrike kills the engine of a worker whose subtask has half of a tenth of
// the state, and waits for that subtask to give out what nobody has seen before.
func measureStateStrike(ctx context.Context, l *lab) error {
	for range l.few() {
		if err := l.strike(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) strike(ctx context.Context) error {
	store, drop, err := l.store()
	if err != nil {
		return err
	}
	defer drop()
	rows := &rowWriter{}
	keys := l.stateKeys() / 10
	k := keepJob{Keys: keys, Touched: keys, Interval: "1s", Every: strikeEvery, Subtasks: strikeSubtasks, Sink: "stdout"}
	j, err := l.keep(ctx, k, store, liveOptions{stdout: rows, args: []string{"--workers=2"}})
	if err != nil {
		return err
	}
	defer j.stop()
	h, err := openHistory(store, "keep")
	if err != nil {
		return err
	}
	if err := j.took(ctx, "keep", 1.5*float64(keys)); err != nil {
		return err
	}
	if _, err := h.completed(ctx, j, time.Now(), 2); err != nil {
		return err
	}
	victim, err := findEngine(j.cmd.Process.Pid, "w1")
	if err != nil {
		return err
	}
	rows.watch(strikeInFlight, func(key []byte) bool {
		return keygroup.Subtask(keygroup.Of(key, strikeGroups), strikeSubtasks, strikeGroups) == 1
	})
	struck := time.Now()
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill worker: %w", err)
	}
	var took time.Duration
	err = j.wait(ctx, "give out new rows", func() (bool, error) {
		at, ok := rows.seen()
		took = at.Sub(struck)
		return ok, nil
	})
	if err == nil {
		l.add(strikeTime, took.Seconds())
	}
	return err
}

// rowWriter is what a job writes its rows to: the number of a record in hexadecimal, and
// its key.
type rowWriter struct {
	mu       sync.Mutex
	rest     []byte // of a line that is not whole yet
	began    time.Time
	last     uint64 // the highest number so far
	least    uint64 // 0: nothing is watched for
	mine     func(key []byte) bool
	observed time.Time
}

// Write implements io.Writer.
func (w *rowWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.began.IsZero() {
		w.began = time.Now()
	}
	w.rest = append(w.rest, p...)
	for {
		line, rest, whole := bytes.Cut(w.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		w.row(line)
		w.rest = w.rest[:copy(w.rest, rest)]
	}
}

func (w *rowWriter) row(line []byte) {
	digits, key, _ := bytes.Cut(line, []byte(" "))
	n, err := strconv.ParseUint(string(digits), 16, 64)
	if err != nil {
		return // the report of the run
	}
	w.last = max(w.last, n)
	if w.least > 0 && n >= w.least && w.observed.IsZero() && w.mine(key) {
		w.observed = time.Now()
	}
}

// first is when the first bytes came.
func (w *rowWriter) first() (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.began, !w.began.IsZero()
}

// watch waits for a row of such a key, that many numbers above the highest so far.
func (w *rowWriter) watch(above uint64, mine func(key []byte) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.least, w.mine = w.last+above, mine
}

// seen is when the row came that was watched for.
func (w *rowWriter) seen() (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.observed, !w.observed.IsZero()
}

// stop ends the job in order, worker processes included.
func (j *live) stop() {
	_ = j.cmd.Process.Signal(os.Interrupt)
	select {
	case <-j.ended:
	case <-time.After(time.Minute):
		j.kill()
	}
}
