package main

import (
	"context"
	"math"
)

const (
	moduleC  = "sdk/c/example/pass.wasm"
	moduleGo = "sdk/go/example/pass.wasm"
)

// measureChains runs a chain in one task on one processor, C and Go in turn.
func measureChains(ctx context.Context, l *lab) error {
	c := job{Name: "chain-c", Module: moduleC, Records: 20e6, Keys: 1000, By: "forward", Sources: 1, Parallelism: 1, CPUs: 1}
	g := c
	g.Name, g.Module, g.Records = "chain-go", moduleGo, 10e6
	for range l.runs {
		if err := l.throughput(ctx, c, chainC, chainCPerCPU); err != nil {
			return err
		}
		if err := l.throughput(ctx, g, chainGo, chainGoPerCPU); err != nil {
			return err
		}
	}
	return nil
}

// measureQueues adds the queues between four tasks of one process.
func measureQueues(ctx context.Context, l *lab) error {
	j := job{Name: "queue-c", Module: moduleC, Records: 20e6, Keys: 1000, By: "key", Sources: 2, Parallelism: 2}
	for range l.runs {
		if err := l.throughput(ctx, j, queueC, queueCPerCPU); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) throughput(ctx context.Context, j job, name, perCPU string) error {
	r, err := l.run(ctx, j)
	if err != nil {
		return err
	}
	l.add(name, r.perSecond())
	l.add(perCPU, r.perCPUSecond())
	return nil
}

// measureNATS runs, in turn, bare nats.go, the job by key (half of whose records cross
// to the other process), and one whose records all do; then the first job at half of
// the load it carried.
func measureNATS(ctx context.Context, l *lab) error {
	spread := job{Name: "nats-c", Module: moduleC, Records: 10e6, Keys: 1000, By: "key", Sources: 2, Parallelism: 2, Workers: 2}
	// The one key there is, "0", belongs to subtask 1, and so to the other worker.
	oneWay := job{Name: "nats-one-way", Module: moduleC, Records: 5e6, Keys: 1, By: "key", Sources: 1, Parallelism: 2, Workers: 2}
	for range l.runs {
		bare, err := l.bare(ctx)
		if err != nil {
			return err
		}
		l.add(bareNATS, bare)
		r, err := l.run(ctx, spread)
		if err != nil {
			return err
		}
		l.add(natsC, r.perSecond())
		l.add(natsShare, r.bytesPerSecond()/bare)
		if r, err = l.run(ctx, oneWay); err != nil {
			return err
		}
		l.add(natsOneWay, r.perSecond())
		l.add(natsOneWayShare, r.bytesPerSecond()/bare)
	}
	return l.measureLatency(ctx, spread)
}

const latencySeconds = 5

func (l *lab) measureLatency(ctx context.Context, j job) error {
	j.Name, j.BufferTimeout = "nats-latency", "5ms"
	j.Rate = int64(math.Round(median(l.values[natsC]) / 2))
	j.Records = j.Rate * latencySeconds
	for range l.runs {
		r, err := l.run(ctx, j)
		if err != nil {
			return err
		}
		if r.LatencyMs != nil {
			l.add(latencyP50, r.LatencyMs.P50)
			l.add(latencyP99, r.LatencyMs.P99)
		}
	}
	return nil
}
