package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/snapshots"
)

const kernels = "../../host/testdata/kernels.wasm"

// writeHeaps writes a job's checkpoints 1, 2 and 3 of a guest that keeps a running total
// in its data: between 2 and 3 it does nothing.
func writeHeaps(t *testing.T, url string) {
	t.Helper()
	opened, err := openStore(t.Context(), url)
	must(t, err)
	wasm, err := os.ReadFile(kernels)
	must(t, err)
	h, err := host.New(t.Context(), host.Config{})
	must(t, err)
	module, err := h.Load(t.Context(), wasm)
	must(t, err)
	defer module.Close()
	guest, err := module.Instantiate(t.Context(), host.InstanceConfig{Collector: drop{}, Now: func() int64 { return 0 }})
	must(t, err)
	defer guest.Close()
	heap, err := guest.Heap(0)
	must(t, err)
	defer heap.Close()
	log := &snapshots.Log{Store: opened.store, Job: goldenJob, Writer: "test"}
	_, err = log.Fence(t.Context(), 1, time.Now())
	must(t, err)
	folder := snapshots.Folder{Store: opened.store, Path: snapshots.JobFolder(goldenJob)}
	var runs []snapshots.Run
	for n := uint64(1); n <= 3; n++ {
		if n < 3 {
			var b record.Builder
			b.Append(record.Insert, int64(n), nil, []byte("a record"))
			for range 4 * (n - 1) { // pages that are equal to each other
				b.Append(record.Insert, 0, nil, make([]byte, host.HeapPage-record.HeaderSize))
			}
			must(t, guest.Process(6, b.Bytes()))
		}
		taken, err := heap.Snapshot(n, false)
		must(t, err)
		_, err = folder.WritePack(t.Context(), snapshots.PackID{Checkpoint: n}, func(w *snapshots.PackWriter) error {
			run := snapshots.Run{Checkpoint: n}
			run.Section, err = w.Section("sum/heap", func(w io.Writer) error {
				info, err := taken.WriteSharing(w, stored{map[host.PageSum]int64{}, snapshots.ChainLender(len(runs))})
				run.Since, run.Header = info.Since, info.Header
				return err
			})
			runs = append(runs, run)
			return err
		})
		must(t, err)
		must(t, taken.Close())
		heap.Confirm(n)
		m := &snapshots.Manifest{Checkpoint: n, MaxParallelism: 4, Operators: []snapshots.Operator{{
			Name: "sum", Module: module.SHA256(), Parallelism: 1, Subtasks: []snapshots.Subtask{{Groups: snapshots.Range{End: 4}, Heap: runs[:n:n]}},
		}}}
		_, err = log.Append(t.Context(), snapshots.Entry{Checkpoint: m, Time: time.Now()}, 1)
		must(t, err)
	}
}

// stored has each page once in a run of that number.
type stored struct {
	at  map[host.PageSum]int64
	run uint32
}

func (s stored) Place(sum host.PageSum, offset int64) (host.PagePlace, bool) {
	at, ok := s.at[sum]
	if !ok {
		s.at[sum] = offset
	}
	return host.PagePlace{Lender: s.run, Offset: at}, ok
}

// drop takes what a guest gives out.
type drop struct{}

func (drop) Emit(int, []byte) error          { return nil }
func (drop) EmitTo(int, int, []byte) error   { return nil }
func (drop) Reject(operator.Rejection) error { return nil }

func TestHeapsAreLookedInto(t *testing.T) {
	store := t.TempDir()
	writeHeaps(t, store)
	job := goldenJob.Name
	text, code := say(t, "state", "list", job+"/3", "-o", "json", "--store", store)
	var list struct{ Heaps []heapSize }
	if err := json.Unmarshal([]byte(text), &list); code != exitDone || err != nil || len(list.Heaps) != 1 {
		t.Fatalf("code %d, %v: %s", code, err, text)
	}
	h := list.Heaps[0]
	if h.Operator != "sum" || h.Memory == 0 || h.Kept == 0 || h.Kept > h.Memory || len(h.Runs) != 3 || h.Runs[0].Since != 0 || h.Runs[2].Since != 2 {
		t.Errorf("it lists %+v", h)
	}
	if h.Lent < host.HeapPage || h.Lent > 4*host.HeapPage {
		t.Errorf("%d bytes of it are lent", h.Lent)
	}
	if h.Runs[1].Written >= h.Runs[0].Written+host.HeapPage*4 || h.Runs[2].Written > 500 {
		t.Errorf("runs wrote %+v", h.Runs)
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"list", job + "/3"}, []string{"OPERATOR  SUBTASK  MODULE", "KEPT", "LENT", "sum       0        " + h.Module[:12]}},
		{[]string{"list", job + "/3", "--groups"}, []string{"CHECKPOINT  SINCE", "sum       0        1           -", "sum       0        3           2"}},
		{[]string{"diff", job + "/2", job + "/3"}, []string{"hold the same"}},
		{[]string{"diff", job + "/1", job + "/2"}, []string{"PAGES CHANGED", " memory  0x0 "}},
		{[]string{"diff", job + "/1", job + "/2", "--module", kernels}, []string{"PAGES CHANGED", "data"}},
	} {
		text, code := say(t, append(append([]string{"state"}, c.args...), "--store", store)...)
		for _, want := range c.want {
			if code != exitDone || !strings.Contains(text, want) {
				t.Errorf("%q: code %d, want %q in\n%s", c.args, code, want, text)
			}
		}
	}
	if _, code := say(t, "state", "diff", job+"/1", job+"/2", "--module", "missing.wasm", "--store", store); code != exitInvalid {
		t.Errorf("a module that is not there: code %d", code)
	}
	pack := fmt.Sprintf("%s/%s/packs/%020d-0.0-0-0.pack", store, snapshots.JobFolder(goldenJob), 1)
	data, err := os.ReadFile(pack)
	must(t, err)
	data[20] ^= 1
	must(t, os.Chmod(pack, 0o600))
	must(t, os.WriteFile(pack, data, 0o600))
	if _, code := say(t, "state", "list", job+"/3", "--store", store); code != exitFailed {
		t.Errorf("a damaged pack: code %d", code)
	}
}

// A job starts from a heap of its own operator only; each refusal says what would allow it.
func TestHeapsFitTheirEquals(t *testing.T) {
	store := t.TempDir()
	writeHeaps(t, store)
	wasm, err := filepath.Abs(kernels)
	must(t, err)
	other := filepath.Join(t.TempDir(), "other.wasm")
	data, err := os.ReadFile(wasm)
	must(t, err)
	must(t, os.WriteFile(other, append(data, 0, 2, 1, 'x'), 0o600)) // a section without meaning makes it another module
	var each []string
	for _, input := range []string{"empty", "hash", "filter", "copy", "map", "recursion", "sum"} {
		each = append(each, "{from: in, by: rebalance, as: "+input+"}")
	}
	inputs := "[" + strings.Join(each, ", ") + "]"
	for _, c := range []struct {
		name, operator string
		flags          []string
		code           int
		want           string
	}{
		{"as it was", "sum: {module: " + wasm + ", inputs: INPUTS, state: {heap: true}}", nil, exitDone, ""},
		{"another module", "sum: {module: " + other + ", inputs: INPUTS, state: {heap: true}}", nil, exitRefused, "run that module"},
		{"another parallelism", "sum: {module: " + wasm + ", inputs: INPUTS, parallelism: 2, state: {heap: true}}", nil, exitRefused, "set its parallelism: 1"},
		{"kept no more", "sum: {module: " + wasm + ", inputs: INPUTS}", nil, exitRefused, "set state: {heap: true}"},
		{"under another name", "new: {module: " + other + ", inputs: INPUTS, state: {heap: true}}", []string{"--allow-dropped-state", "sum"}, exitDone, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			job := filepath.Join(t.TempDir(), "job.yaml")
			name, _, _ := strings.Cut(c.operator, ":")
			must(t, os.WriteFile(job, fmt.Appendf(nil, "version: 1\njob: next\nmaxParallelism: 4\noperators:\n  in: {source: values, with: {records: []}}\n  %s\n  out: {sink: discard, inputs: [{from: %s, by: rebalance}]}\n", strings.Replace(c.operator, "INPUTS", inputs, 1), name), 0o600))
			run := exec.Command(os.Args[0], append([]string{"run", job, "--quiet", "--store", store, "--from", "checkpoint:" + goldenJob.Name + "/3"}, c.flags...)...)
			run.Env = append(os.Environ(), actAs+"=wasmill")
			text, _ := run.CombinedOutput()
			if code := run.ProcessState.ExitCode(); code != c.code || !strings.Contains(string(text), c.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, c.code, c.want, text)
			}
		})
	}
}
