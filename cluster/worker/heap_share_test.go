package worker

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

// fill writes pages of a guest's buffer, of which each is the letter that is given.
func (r *heapRig) fill(subtask int, letters string) {
	r.t.Helper()
	var b record.Builder
	for _, c := range letters {
		b.Append(record.Insert, 0, nil, bytes.Repeat([]byte{byte(c)}, host.HeapPage-record.HeaderSize))
	}
	if err := r.guests[subtask].Process(6, b.Bytes()); err != nil {
		r.t.Fatal(err)
	}
}

// imageOf is the whole heap of an instance.
func imageOf(t *testing.T, g *host.Instance) []byte {
	t.Helper()
	h, err := g.Heap(0)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	taken, err := h.Snapshot(1, true)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var b bytes.Buffer
	if _, err := taken.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (r *heapRig) images() (all [2][]byte) {
	r.t.Helper()
	for n, g := range r.guests {
		all[n] = imageOf(r.t, g)
	}
	return all
}

// alone makes an instance of what a subtask's heap consists of, and of nothing else.
func (r *heapRig) alone(all []snapshots.Run) (*host.Instance, error) {
	module, err := r.worker.config.Modules.get(r.t.Context(), r.op.Module.SHA256, r.worker.fetch)
	if err != nil {
		return nil, err
	}
	kept := r.attempt.folder().OpenHeap(r.t.Context(), all)
	var runs []host.HeapRun
	for n := range all {
		in := kept.Open(n)
		defer in.Close()
		runs = append(runs, host.HeapRun{Reader: in, Lent: lenders(kept, n)})
	}
	return module.RestoreHeap(r.t.Context(), host.InstanceConfig{Collector: &total{}}, runs)
}

// last is the newest run of a subtask in what was acknowledged.
func last(all []cluster.Snapshot, subtask int) snapshots.Run {
	for _, s := range all {
		if s.Index == subtask {
			return s.Heap[len(s.Heap)-1]
		}
	}
	return snapshots.Run{}
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// A page is stored once: whichever subtask has it, wherever it is in memory, and though it
// was another in between.
func TestHeapPagesAreStoredOnce(t *testing.T) {
	r := newHeapRig(t)
	if err := r.begin(0); err != nil {
		t.Fatal(err)
	}
	size := func(all []cluster.Snapshot) int64 { return last(all, 0).Length + last(all, 1).Length }
	pages := func(n int) int64 { return int64(n) * host.HeapPage }
	r.fill(0, letters)
	r.fill(1, letters)
	want := r.images()
	all := r.done(1)
	if got := size(all); got < pages(len(letters)) || got > pages(len(letters)+12) {
		t.Errorf("two subtasks of the same %d pages write %d bytes", len(letters), got)
	}
	if len(last(all, 0).Lenders)+len(last(all, 1).Lenders) == 0 {
		t.Error("nobody borrows")
	}
	r.fill(0, strings.Repeat("1", len(letters)))
	if got := last(r.done(2), 0).Length; got > pages(8) {
		t.Errorf("%d equal pages take %d bytes", len(letters), got)
	}
	r.fill(0, letters)
	if got := last(r.done(3), 0).Length; got > pages(8) {
		t.Errorf("pages that are what they were two checkpoints before take %d bytes", got)
	}
	if err := r.begin(1); err != nil {
		t.Fatal(err)
	}
	if got := r.images(); !bytes.Equal(got[0], want[0]) || !bytes.Equal(got[1], want[1]) {
		t.Error("they restore to other images")
	}
	// What was restored from is known, too.
	r.fill(1, letters+letters)
	if got := last(r.done(4), 1).Length; got > pages(8) {
		t.Errorf("pages of the checkpoint that was restored take %d bytes", got)
	}
}

// Nothing is borrowed of a checkpoint that was given up, though its packs are there.
func TestHeapsBorrowNothingOfAbortedCheckpoints(t *testing.T) {
	r := newHeapRig(t)
	if err := r.begin(0); err != nil {
		t.Fatal(err)
	}
	r.done(1)
	r.fill(0, letters)
	r.snapshot(2)
	if _, declined := r.acks(2); len(declined) > 0 {
		t.Fatal(declined)
	}
	r.attempt.giveUp(2)
	r.fill(1, letters)
	for _, s := range r.done(3) {
		for _, run := range s.Heap {
			for _, in := range append(slices.Clone(run.Lenders), run.Section) {
				if p, ok := snapshots.ParsePackName(in.Pack); !ok || p.Checkpoint == 2 {
					t.Errorf("checkpoint 3 names %s", in.Pack)
				}
			}
		}
	}
}

// A run that borrows from one that fails fails, too: their checkpoint is aborted.
func TestHeapsFailWithTheirLenders(t *testing.T) {
	p := newHeapPool()
	one, two := newHeapKeeper(1, p), newHeapKeeper(2, p)
	p.join(one)
	p.join(two)
	lending, borrowing := p.places(one, 1, 0, true), p.places(two, 1, 0, true)
	if _, lent := lending.Place(host.PageSum{1}, 100); lent {
		t.Fatal("the first page is lent")
	}
	at, lent := borrowing.Place(host.PageSum{1}, 200)
	if want := (host.PagePlace{Lender: snapshots.SectionLender(0), Offset: 100}); !lent || at != want {
		t.Fatalf("it lies at %v, want %v", at, want)
	}
	borrowing.written(snapshots.Section{}, nil)
	lending.written(snapshots.Section{}, errors.New("the store is full"))
	if _, err := borrowing.borrowed(t.Context()); err == nil || !strings.Contains(err.Error(), "the store is full") {
		t.Errorf("got %v", err)
	}
}

// A lender that is damaged, missing or another's is noticed and named when the borrower is
// restored.
func TestDamagedLendersAreNamed(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(r *heapRig, pack string)
	}{
		{"a bit flipped", (*heapRig).flip},
		{"missing", func(r *heapRig, pack string) {
			if err := r.store.Delete(r.t.Context(), pack); err != nil {
				r.t.Fatal(err)
			}
		}},
		{"another's", func(r *heapRig, pack string) {
			memory := r.store.Store.(*storetest.Memory)
			memory.Damage(pack, bytes.Clone(memory.Bytes(r.packs(1)[1])))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newHeapRig(t)
			if err := r.begin(0); err != nil {
				t.Fatal(err)
			}
			r.fill(0, letters)
			r.done(1)
			r.fill(1, letters)
			all := r.done(2)
			borrowed := last(all, 1).Lenders
			if len(borrowed) != 1 {
				t.Fatalf("it borrows from %v", borrowed)
			}
			c.damage(r, "default/jobs/j/"+borrowed[0].Pack)
			borrower := all[slices.IndexFunc(all, func(s cluster.Snapshot) bool { return s.Index == 1 })].Subtask
			m := &snapshots.Manifest{Operators: []snapshots.Operator{{Subtasks: []snapshots.Subtask{borrower}}}}
			if err := r.attempt.folder().Check(t.Context(), m, snapshots.Full); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), borrowed[0].Pack) {
				t.Errorf("a check finds %v", err)
			}
			_, err := r.alone(borrower.Heap)
			if !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), borrowed[0].Pack) || !strings.Contains(err.Error(), `"count/heap"`) {
				t.Errorf("a restore gives %v", err)
			}
		})
	}
}

// history is what a test remembers of a job's checkpoints.
type history struct {
	*heapRig
	random *rand.Rand
	images map[uint64][2][]byte // at each checkpoint
	newest uint64               // that is complete
}

// Over random histories of checkpoints that complete, overlap, are given up or fail, with
// retention, garbage collection and restarts, every retained checkpoint restores to the
// image of its moment, byte for byte (D4).
func TestRetainedHeapsRestore(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			h := &history{heapRig: newHeapRig(t), random: rand.New(rand.NewPCG(seed, 5)), images: map[uint64][2][]byte{}}
			if err := h.begin(0); err != nil {
				t.Fatal(err)
			}
			borrowed := 0
			for n := uint64(1); n < 80; n++ {
				h.change()
				switch h.random.IntN(8) {
				case 0: // given up, its packs stay
					h.take(n)
					h.answers(n)
					h.attempt.giveUp(n)
				case 1: // given up while it is written
					h.take(n)
					h.attempt.giveUp(n)
					h.abandoned()
				case 2: // two at once; the first may fail
					h.take(n)
					first := h.answers(n)
					h.change()
					h.take(n + 1)
					if h.random.IntN(2) == 0 {
						h.complete(n, first)
					} else {
						h.attempt.giveUp(n)
					}
					h.complete(n+1, h.answers(n+1))
					n++
				default:
					h.take(n)
					all := h.answers(n)
					for s := range 2 {
						borrowed += len(last(all, s).Lenders)
					}
					h.complete(n, all)
				}
				if h.newest > 0 && h.random.IntN(12) == 0 {
					if err := h.begin(h.newest); err != nil {
						t.Fatal(err)
					}
					h.compare(h.newest)
				}
			}
			if borrowed == 0 {
				t.Error("nothing was borrowed")
			}
		})
	}
}

// change gives some pages of both subtasks one of few contents.
func (h *history) change() {
	for subtask := range 2 {
		var b strings.Builder
		for range 1 + h.random.IntN(40) {
			b.WriteByte(letters[h.random.IntN(6)+h.random.IntN(2)*h.random.IntN(40)])
		}
		h.fill(subtask, b.String())
	}
}

func (h *history) take(n uint64) {
	h.snapshot(n)
	h.images[n] = h.heapRig.images()
}

func (h *history) answers(n uint64) []cluster.Snapshot {
	h.t.Helper()
	all, declined := h.acks(n)
	if len(declined) > 0 {
		h.t.Fatalf("checkpoint %d declined: %q", n, declined)
	}
	return all
}

// abandoned waits for uploads that were given up, which may have been done already.
func (h *history) abandoned() {
	for _, m := range h.shares {
		done := make(chan struct{})
		go func() { m.uploads.Wait(); close(done) }()
		for waiting := true; waiting; {
			select {
			case <-done:
				waiting = false
			case <-h.worker.events:
			case <-h.inbox:
			case <-time.After(time.Minute):
				h.t.Fatal("an upload does not end")
			}
		}
	}
	for len(h.worker.events) > 0 {
		<-h.worker.events
	}
}

// complete does as a coordinator: the manifest, retention, garbage, and all retained
// checkpoints are looked at.
func (h *history) complete(n uint64, all []cluster.Snapshot) {
	h.t.Helper()
	before, err := h.log.Read(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	o := snapshots.Operator{Name: "count", Parallelism: 2}
	for _, s := range all {
		o.Subtasks = append(o.Subtasks, s.Subtask)
	}
	slices.SortFunc(o.Subtasks, func(a, b snapshots.Subtask) int { return a.Index - b.Index })
	m := &snapshots.Manifest{Checkpoint: n, Attempt: h.attempt.ref.Attempt, MaxParallelism: rigGroups, Operators: []snapshots.Operator{o}}
	retain := snapshots.Retain(&before, n, 2)
	after, err := h.log.Append(h.t.Context(), snapshots.Entry{Checkpoint: m, Retain: &retain, Time: time.Now()}, 1)
	if err != nil {
		h.t.Fatal(err)
	}
	h.newest = n
	for i := range h.kept {
		h.kept[i].Heap.Confirm(n)
	}
	h.attempt.complete(n)
	if _, err := snapshots.Collect(h.t.Context(), h.log, id.Attempt{Term: 1, Number: h.number}, false); err != nil {
		h.t.Fatal(err)
	}
	for i := range after.Checkpoints {
		h.restores(&after.Checkpoints[i].Manifest)
	}
	maps.DeleteFunc(h.images, func(old uint64, _ [2][]byte) bool { return old+8 < n })
}

// restores makes instances of a checkpoint and compares them.
func (h *history) restores(m *snapshots.Manifest) {
	h.t.Helper()
	if err := h.attempt.folder().Check(h.t.Context(), m, snapshots.Quick); err != nil {
		h.t.Fatal(err)
	}
	for subtask := range 2 {
		i, err := h.alone(m.Operator("count").Subtasks[subtask].Heap)
		if err != nil {
			h.t.Fatalf("restore checkpoint %d: %v", m.Checkpoint, err)
		}
		if !bytes.Equal(imageOf(h.t, i), h.images[m.Checkpoint][subtask]) {
			h.t.Fatalf("checkpoint %d restores subtask %d to another image", m.Checkpoint, subtask)
		}
		if err := i.Close(); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *history) compare(n uint64) {
	h.t.Helper()
	got := h.heapRig.images()
	for subtask := range 2 {
		if !bytes.Equal(got[subtask], h.images[n][subtask]) {
			h.t.Fatalf("subtask %d goes on from another image than that of checkpoint %d", subtask, n)
		}
	}
}
