package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// benchmark is one line of what go test -bench prints.
type benchmark struct {
	name   string             // without the Benchmark prefix and the number of processors
	values map[string]float64 // by unit
}

// goBenchmarks runs the benchmarks of a package, one after another, in many short
// rounds: what is compared runs side by side.
func (l *lab) goBenchmarks(ctx context.Context, pkg, expression string, rounds int) (all []benchmark, err error) {
	binary := filepath.Join(l.scratch, filepath.Base(pkg)+".test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, pkg).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build benchmarks of %s: %w: %s", pkg, err, out)
	}
	for range rounds {
		cmd := exec.CommandContext(ctx, binary, "-test.run=^$", "-test.bench="+expression, "-test.benchmem", "-test.benchtime=100ms")
		cmd.Dir = filepath.Join(l.root, pkg)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("run benchmarks of %s: %w: %s", pkg, err, out)
		}
		round, err := parseBenchmarks(out)
		if err != nil {
			return nil, err
		}
		if len(round) == 0 {
			return nil, fmt.Errorf("run benchmarks of %s: none matches %s", pkg, expression)
		}
		all = append(all, round...)
	}
	return all, nil
}

// parseBenchmarks reads the text format of Go benchmarks (golang.org/design/14313).
func parseBenchmarks(out []byte) (all []benchmark, err error) {
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		b := benchmark{name: strings.TrimPrefix(fields[0], "Benchmark"), values: map[string]float64{}}
		if at := strings.LastIndexByte(b.name, '-'); at > 0 {
			if _, err := strconv.Atoi(b.name[at+1:]); err == nil {
				b.name = b.name[:at]
			}
		}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("read benchmark %q: %w", lines.Text(), err)
			}
			b.values[fields[i+1]] = v
		}
		all = append(all, b)
	}
	return all, lines.Err()
}
