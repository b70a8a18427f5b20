package host_test

import (
	"bytes"
	"testing"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/state"
)

// heapMethods are the ways to find written pages.
var heapMethods = map[string]func(*host.Instance, uint64) (*host.Heap, error){
	"best":   (*host.Instance).Heap,
	"hashes": (*host.Instance).HeapByHashes,
}

// heapRun is a run that was written.
type heapRun struct {
	info  state.RunInfo
	bytes []byte
}

// heapRig is an instance whose heap is kept as a worker does it.
type heapRig struct {
	t       testing.TB
	module  *host.Module
	method  string
	out     *collector
	guest   *host.Instance
	heap    *host.Heap
	chain   *state.Chain
	runs    map[uint64]heapRun
	consist map[uint64][]uint64 // checkpoints whose runs a checkpoint consists of
}

func newHeapRig(t testing.TB, m *host.Module, method string) *heapRig {
	r := &heapRig{t: t, module: m, method: method, out: &collector{}, chain: &state.Chain{}, runs: map[uint64]heapRun{}, consist: map[uint64][]uint64{}}
	i, err := m.Instantiate(t.Context(), fixed(r.out))
	if err == nil {
		err = i.Open(false)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.watch(i, 0)
	t.Cleanup(r.end)
	return r
}

func (r *heapRig) watch(i *host.Instance, base uint64) {
	var err error
	if r.guest = i; r.guest != nil {
		r.heap, err = heapMethods[r.method](i, base)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *heapRig) end() {
	if err := r.heap.Close(); err != nil {
		r.t.Error(err)
	}
	if err := r.guest.Close(); err != nil {
		r.t.Error(err)
	}
}

// take writes a checkpoint; a full one is merged of what there is.
func (r *heapRig) take(n uint64) {
	r.t.Helper()
	s, err := r.heap.Snapshot(n, false)
	if err != nil {
		r.t.Fatal(err)
	}
	var b bytes.Buffer
	info, err := s.Write(&b)
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		r.t.Fatal(err)
	}
	if int64(b.Len()) != info.Bytes {
		r.t.Fatalf("%d bytes, the run says %d", b.Len(), info.Bytes)
	}
	if r.chain.Full() && info.Since != 0 {
		var merged bytes.Buffer
		readers := append(r.readers(info.Since), r.reader(b.Bytes()))
		if info, err = host.MergeHeap(&merged, readers, nil); err != nil {
			r.t.Fatal(err)
		}
		b = merged
	}
	r.runs[n] = heapRun{info, b.Bytes()}
	infos, ok := r.chain.Written(info)
	if !ok {
		r.t.Fatalf("checkpoint %d builds on %d", n, info.Since)
	}
	for _, i := range infos {
		r.consist[n] = append(r.consist[n], i.Checkpoint)
	}
}

func (r *heapRig) confirm(n uint64) {
	r.heap.Confirm(n)
	r.chain.Confirm(n)
}

func (r *heapRig) reader(b []byte) *host.HeapReader {
	r.t.Helper()
	reader, err := host.NewHeapReader(bytes.NewReader(b), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return reader
}

func (r *heapRig) readers(n uint64) (all []*host.HeapReader) {
	for _, at := range r.consist[n] {
		all = append(all, r.reader(r.runs[at].bytes))
	}
	return all
}

// restore makes an instance of a checkpoint.
func (r *heapRig) restore(n uint64) *host.Instance {
	r.t.Helper()
	var runs []host.HeapRun
	for _, at := range r.consist[n] {
		runs = append(runs, host.HeapRun{Reader: bytes.NewReader(r.runs[at].bytes)})
	}
	i, err := r.module.RestoreHeap(r.t.Context(), fixed(r.out), runs)
	if err != nil {
		r.t.Fatal(err)
	}
	return i
}

// goOn replaces the instance by one restored.
func (r *heapRig) goOn(n uint64) {
	r.t.Helper()
	moved := r.restore(n)
	r.end()
	r.watch(moved, n)
	infos := []state.RunInfo{}
	for _, at := range r.consist[n] {
		infos = append(infos, r.runs[at].info)
	}
	r.chain = state.NewChain(infos)
}
