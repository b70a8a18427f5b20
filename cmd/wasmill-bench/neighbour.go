package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

const (
	moduleLoop      = "cmd/wasmill-bench/guests/loop.wasm"
	neighbourPeriod = time.Millisecond
	neighbourBatch  = 250 // records: about 32 KiB
	aloneTime       = time.Second
	loopLimit       = time.Second // of CPU per batch
)

// neighbourRound is what one round of role healthy saw.
type neighbourRound struct {
	AloneP99  time.Duration
	BesideP99 time.Duration
	Stopped   time.Duration // from the loop's start until its fault
}

// measureNeighbour puts an endless loop beside a healthy guest, in a process with two
// processors.
func measureNeighbour(ctx context.Context, l *lab) error {
	cmd, err := roleCommand(ctx, "healthy", "")
	if err != nil {
		return err
	}
	cmd.Dir = l.root
	cmd.Env = append(cmd.Env, "GOMAXPROCS=2")
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("run healthy guest: %w", err)
	}
	for lines := json.NewDecoder(bytes.NewReader(out)); ; {
		var r neighbourRound
		if err := lines.Decode(&r); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("read rounds: %w", err)
		}
		l.add(loopStopped, float64(r.Stopped)/float64(loopLimit))
		l.add(loopNeighbour, float64(r.BesideP99)/float64(r.AloneP99))
	}
}

// neighbourRounds is odd, so that the median is one of them.
const neighbourRounds = 7

// healthy is the process: it gives a guest a batch every millisecond, first alone, then
// beside a guest that loops, and prints what it saw.
func healthy(ctx context.Context) error {
	h, err := host.New(ctx, host.Config{})
	if err != nil {
		return err
	}
	defer h.Close()
	pass, err := loadModule(ctx, h, moduleC)
	if err != nil {
		return err
	}
	defer pass.Close()
	loop, err := loadModule(ctx, h, moduleLoop)
	if err != nil {
		return err
	}
	defer loop.Close()
	guest, err := instantiate(ctx, pass)
	if err != nil {
		return err
	}
	defer guest.Close()
	batch := neighbourRecords()
	out := json.NewEncoder(os.Stdout)
	for range neighbourRounds {
		var r neighbourRound
		over := make(chan struct{})
		time.AfterFunc(aloneTime, func() { close(over) })
		if r.AloneP99, err = pace(guest, batch, over); err != nil {
			return err
		}
		over = make(chan struct{})
		var loopErr error
		go func() {
			defer close(over)
			r.Stopped, loopErr = runLoop(ctx, loop, batch)
		}()
		if r.BesideP99, err = pace(guest, batch, over); err != nil {
			return err
		}
		if loopErr != nil {
			return loopErr
		}
		if err := out.Encode(r); err != nil {
			return fmt.Errorf("print round: %w", err)
		}
	}
	return nil
}

// pace gives the guest a batch every period until over, and returns the 99th
// percentile of the time from when a batch was due to when the guest was done with it.
func pace(guest *host.Instance, batch []byte, over <-chan struct{}) (time.Duration, error) {
	latencies := hdrhistogram.New(1, time.Minute.Microseconds(), 3)
	started := time.Now()
	for n := time.Duration(1); ; n++ {
		due := started.Add(n * neighbourPeriod)
		select {
		case <-over:
			return time.Duration(latencies.ValueAtQuantile(99)) * time.Microsecond, nil
		case <-time.After(time.Until(due)):
		}
		if err := guest.Process(0, batch); err != nil {
			return 0, fmt.Errorf("process batch: %w", err)
		}
		if err := latencies.RecordValue(time.Since(due).Microseconds()); err != nil {
			return 0, fmt.Errorf("note latency: %w", err)
		}
	}
}

// runLoop runs the looping guest until it is stopped and says how long that took.
func runLoop(ctx context.Context, loop *host.Module, batch []byte) (time.Duration, error) {
	guest, err := instantiate(ctx, loop)
	if err != nil {
		return 0, err
	}
	defer guest.Close()
	started := time.Now()
	err = guest.Process(0, batch)
	if !errors.Is(err, fault.ErrGuest) {
		return 0, fmt.Errorf("loop: want a guest fault, got %w", err)
	}
	return time.Since(started), nil
}

func loadModule(ctx context.Context, h *host.Host, path string) (*host.Module, error) {
	wasm, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		return nil, fmt.Errorf("read guest: %w", err)
	}
	return h.Load(ctx, wasm)
}

func instantiate(ctx context.Context, m *host.Module) (*host.Instance, error) {
	guest, err := m.Instantiate(ctx, host.InstanceConfig{
		Parallelism: 1, MaxParallelism: 1, Limits: graph.Limits{CPUPerBatch: loopLimit},
		Collector: dropped{}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	if err := guest.Open(false); err != nil {
		guest.Close()
		return nil, err
	}
	return guest, nil
}

// dropped is a collector to which nothing matters.
type dropped struct{}

func (dropped) Emit(int, []byte) error          { return nil }
func (dropped) EmitTo(int, int, []byte) error   { return nil }
func (dropped) Reject(operator.Rejection) error { return nil }

func neighbourRecords() []byte {
	var b record.Builder
	value := make([]byte, valueSize)
	for n := range neighbourBatch {
		b.Append(record.Insert, int64(n), []byte("key"), value)
	}
	return b.Bytes()
}
