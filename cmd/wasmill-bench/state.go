package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"github.com/wasmill/wasmill/snapshots"
)

const (
	moduleRunningC  = "sdk/c/example/running.wasm"
	moduleRunningGo = "sdk/go/example/running.wasm"
	moduleNumber    = "cmd/wasmill-bench/guests/number.wasm"
	moduleKeep      = "cmd/wasmill-bench/guests/keep.wasm"
	moduleWindows   = "cmd/wasmill-bench/guests/windows.wasm"
)

const (
	defaultStateBytes = 1_000_000_000
	minStateBytes     = 10_000_000
	stateValue        = 200 // bytes of a value that is kept
	stateEntry        = stateValue + 7
)

// keepJob fills a table and then touches some of its keys, over and over.
type keepJob struct {
	Keys     int64  // that are loaded
	Touched  int64  // of them, by what comes then
	Rate     int64  // of touches a second; 0: as fast as it goes
	Backend  string // memory if empty
	Interval string // of checkpoints
	Every    int    // touches for each record given out
	Subtasks int    // that keep
	Sink     string // discard if empty
	Cache    int64  // bytes of the disk backend; 0: its default

	Number, Keep string // paths of modules
}

// What is loaded is due at once, but has a schedule, too: the report tells latencies only
// of jobs all of whose sources have one.
var keepTemplate = template.Must(template.New("keep").Parse(`version: 1
job: keep
parallelism: 1
checkpoint: {interval: {{.Interval}}}
operators:
  new:
    source: generator
    with: {records: {{.Keys}}, rate: 1000000000, valueSize: ` + fmt.Sprint(stateValue) + `}
  number:
    module: {{.Number}}
    inputs: [new]
  old:
    source: generator
    with: {rate: {{with .Rate}}{{.}}{{else}}max{{end}}, keys: {{.Touched}}, valueSize: ` + fmt.Sprint(stateValue) + `}
  keep:
    module: {{.Keep}}
    parallelism: {{.Subtasks}}
    inputs: [{from: number, as: load, by: key, first: true}, {from: old, as: touch, by: key}]
    config: {every: {{.Every}}}
    state: {backend: {{with .Backend}}{{.}}{{else}}memory{{end}}{{with .Cache}}, cache: {{.}}{{end}}}
  out:
    sink: {{with .Sink}}{{.}}{{else}}discard{{end}}
    inputs: [{from: keep, by: {{if eq .Subtasks 1}}forward{{else}}rebalance{{end}}}]
`))

// keep starts a job with as much state as the measurements are about.
func (l *lab) keep(ctx context.Context, j keepJob, store string, o liveOptions) (*live, error) {
	j.Number, j.Keep = filepath.Join(l.root, moduleNumber), filepath.Join(l.root, moduleKeep)
	j.Every, j.Subtasks = max(j.Every, 1), max(j.Subtasks, 1)
	if j.Keys == 0 {
		j.Keys = l.stateKeys()
	}
	var text bytes.Buffer
	if err := keepTemplate.Execute(&text, j); err != nil {
		return nil, fmt.Errorf("write job keep: %w", err)
	}
	return l.start(ctx, "keep", text.String(), store, o)
}

// stateKeys is how many keys make up the state.
func (l *lab) stateKeys() int64 { return l.stateBytes / stateEntry }

// few is the number of runs of what takes long.
func (l *lab) few() int { return max(l.runs/2, 1) }

// store is a new folder for a job's log and checkpoints.
func (l *lab) store() (path string, drop func(), err error) {
	path, err = os.MkdirTemp(l.scratch, "store-")
	if err != nil {
		return "", nil, fmt.Errorf("make store: %w", err)
	}
	return path, func() { os.RemoveAll(path) }, nil
}

// fill runs job keep until a checkpoint has all the keys, and leaves it killed. Of the
// checkpoints it returns the last: keys came once, so it is as large as one that has no
// increments.
func (l *lab) fill(ctx context.Context, store string) (full snapshots.Checkpoint, err error) {
	j, err := l.keep(ctx, keepJob{Touched: l.stateKeys(), Rate: 1, Interval: "2s"}, store, liveOptions{})
	if err != nil {
		return full, err
	}
	defer j.kill()
	h, err := openHistory(store, "keep")
	if err != nil {
		return full, err
	}
	if err := j.took(ctx, "keep", float64(l.stateKeys())); err != nil {
		return full, err
	}
	all, err := h.completed(ctx, j, time.Now(), 1)
	if err != nil {
		return full, err
	}
	full = all[len(all)-1]
	whole, _ := full.Size()
	fmt.Fprintf(os.Stderr, "  %d keys, values of %d bytes: a full checkpoint of %s bytes\n", l.stateKeys(), stateValue, number(float64(whole)))
	return full, nil
}

// filled is a folder with a checkpoint of all the state. It is filled once; use a clone.
func (l *lab) filled(ctx context.Context) (*filledStore, error) {
	if l.full != nil {
		return l.full, nil
	}
	path := filepath.Join(l.scratch, "filled")
	full, err := l.fill(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("fill %d keys: %w", l.stateKeys(), err)
	}
	whole, _ := full.Size()
	l.full = &filledStore{path: path, bytes: whole}
	return l.full, nil
}

type filledStore struct {
	path  string
	bytes int64 // of packs
}

// resume starts job keep from a clone of the filled store; drop ends it.
func (l *lab) resume(ctx context.Context, j keepJob, o liveOptions) (job *live, h *history, drop func(), err error) {
	full, err := l.filled(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	store, remove, err := l.store()
	if err != nil {
		return nil, nil, nil, err
	}
	if err = cloneStore(full.path, store); err == nil {
		if h, err = openHistory(store, "keep"); err == nil {
			o.args = append(o.args, "--from", "latest")
			job, err = l.keep(ctx, j, store, o)
		}
	}
	if err != nil {
		remove()
		return nil, nil, nil, err
	}
	return job, h, func() { job.kill(); remove() }, nil
}
