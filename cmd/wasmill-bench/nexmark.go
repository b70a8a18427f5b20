package main

import (
	"context"
	"fmt"
)

const nexmarkJob = `version: 1
job: nexmark-generator
parallelism: 1
operators:
  in: {source: nexmark, with: {events: %d}, watermark: {outOfOrder: 0s}}
  out: {sink: discard, inputs: [in]}
`

// measureNexmark makes the events of the benchmark and drops them, on one processor.
func measureNexmark(ctx context.Context, l *lab) error {
	j := job{Name: "nexmark-generator", Records: 20e6, CPUs: 1}
	file, err := l.writeFile(j.Name+".yaml", fmt.Sprintf(nexmarkJob, j.Records))
	if err != nil {
		return err
	}
	for range l.runs {
		r, err := l.runFile(ctx, file, j)
		if err != nil {
			return err
		}
		l.add(nexmarkGenerator, r.perCPUSecond())
	}
	return nil
}
