package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
)

// measureHost takes the call of a guest that does nothing and, for each kernel, what
// safepoints cost.
func measureHost(ctx context.Context, l *lab) error {
	all, err := l.goBenchmarks(ctx, "./host", "^Benchmark(EmptyCall|Kernel)$", 3*l.runs)
	if err != nil {
		return err
	}
	for _, b := range all {
		if b.name == "EmptyCall/empty-batch" {
			l.add(hostCall, b.values["ns/op"])
			l.add(hostCallAllocs, b.values["allocs/op"])
		}
	}
	kernels := ratios(all)
	if len(kernels) == 0 {
		return fmt.Errorf("compare kernels: none ran with and without safepoints")
	}
	for _, k := range kernels {
		fmt.Fprintf(os.Stderr, "  safepoints, %s: × %.3f\n", k.name, median(k.values))
	}
	for name, k := range map[string]kernel{safepointsMedian: kernels[len(kernels)/2], safepointsWorst: kernels[len(kernels)-1]} {
		for _, v := range k.values {
			l.add(name, v)
		}
	}
	return nil
}

// kernel is how many times longer a guest takes with safepoints, run by run.
type kernel struct {
	name   string
	values []float64
}

// ratios pairs Kernel/NAME/safepoints with Kernel/NAME/plain of the same run, and
// sorts the kernels by their median.
func ratios(all []benchmark) []kernel {
	var kernels []kernel
	plain := map[string]float64{}
	for _, b := range all {
		name, mode, _ := strings.Cut(strings.TrimPrefix(b.name, "Kernel/"), "/")
		switch mode {
		case "plain":
			plain[name] = b.values["ns/op"]
		case "safepoints":
			at := slices.IndexFunc(kernels, func(k kernel) bool { return k.name == name })
			if at < 0 {
				at = len(kernels)
				kernels = append(kernels, kernel{name: name})
			}
			kernels[at].values = append(kernels[at].values, b.values["ns/op"]/plain[name])
		}
	}
	slices.SortFunc(kernels, func(a, b kernel) int { return cmp.Compare(median(a.values), median(b.values)) })
	return kernels
}
