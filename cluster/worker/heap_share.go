package worker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/snapshots"
)

// heapPool knows where the pages lie that the subtasks of an operator on this worker have
// stored, so that each is stored once: a page that another subtask has, or that this one
// had, is lent.
//
// A run may borrow from what its checkpoint's base consists of, which is retained as long as
// it may be named (D4), and from what its siblings write for the same checkpoint, which is
// complete with theirs or not at all. It never borrows from a checkpoint that may be aborted.
type heapPool struct {
	mu      sync.Mutex
	members map[int]*heapKeeper        // by subtask; guarded by mu
	stored  map[host.PageSum]heapPlace // of complete checkpoints; guarded by mu
	writing map[uint64]*heapClaims     // by checkpoint, which may come to nothing; guarded by mu

	endMu sync.Mutex
	ended map[uint64]bool // checkpoints since the last look; true: complete. Guarded by endMu
}

// heapPlace is where a page was stored.
type heapPlace struct {
	run     uint64 // the checkpoint that wrote it
	offset  int64
	subtask int
}

// heapClaims are the pages that are being stored for a checkpoint.
type heapClaims struct {
	pages map[host.PageSum]heapPlace
	runs  map[int]*heapWriting // by subtask
}

// heapWriting is a run that is being written. What is in it may be read when done is closed.
type heapWriting struct {
	whole   bool
	done    chan struct{}
	section snapshots.Section
	err     error
}

func newHeapPool() *heapPool {
	return &heapPool{
		members: map[int]*heapKeeper{}, stored: map[host.PageSum]heapPlace{},
		writing: map[uint64]*heapClaims{}, ended: map[uint64]bool{},
	}
}

// join adds a subtask.
func (p *heapPool) join(k *heapKeeper) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.members[k.subtask] = k
}

// end tells that a checkpoint is complete or given up. It returns at once.
func (p *heapPool) end(checkpoint uint64, complete bool) {
	p.endMu.Lock()
	defer p.endMu.Unlock()
	p.ended[checkpoint] = complete
}

// restored adds a page that a subtask was restored from.
func (p *heapPool) restored(sum host.PageSum, at heapPlace) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.stored[sum]; !ok {
		p.stored[sum] = at
	}
}

// settle makes what complete checkpoints stored known to later ones.
func (p *heapPool) settle() {
	p.endMu.Lock()
	ended := p.ended
	p.ended = map[uint64]bool{}
	p.endMu.Unlock()
	for _, n := range slices.Sorted(maps.Keys(ended)) {
		claims := p.writing[n]
		if delete(p.writing, n); claims == nil || !ended[n] {
			continue
		}
		// Those before will come to nothing, or have.
		maps.DeleteFunc(p.writing, func(older uint64, _ *heapClaims) bool { return older < n })
		p.replace(n, claims)
		maps.Copy(p.stored, claims.pages)
	}
}

// replace forgets what whole runs of a checkpoint have replaced.
func (p *heapPool) replace(checkpoint uint64, claims *heapClaims) {
	for subtask, w := range claims.runs {
		if w.whole {
			maps.DeleteFunc(p.stored, func(_ host.PageSum, at heapPlace) bool { return at.subtask == subtask && at.run < checkpoint })
		}
	}
}

// maxLenders bounds what a manifest lists for a run.
const maxLenders = 8

// heapPlaces finds places for the pages of one run; it implements host.PagePlaces.
type heapPlaces struct {
	pool       *heapPool
	me         *heapKeeper
	checkpoint uint64
	since      uint64 // what is complete, and may be borrowed from; 0: nothing
	claims     *heapClaims
	run        *heapWriting
	chain      map[uint64]int // place of each run that this one builds on, in the list of them
	lenders    []heapLender
	siblings   map[int]map[uint64]snapshots.Section // sections to borrow from; filled as needed
}

// heapLender is a sibling's run: one that is there, or one that is being written.
type heapLender struct {
	subtask int
	run     uint64
	section snapshots.Section
	writing *heapWriting
}

// places begins a run of a subtask: a whole one, or what changed since a checkpoint.
func (p *heapPool) places(me *heapKeeper, checkpoint, since uint64, whole bool) *heapPlaces {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle()
	claims := p.writing[checkpoint]
	if claims == nil {
		claims = &heapClaims{pages: map[host.PageSum]heapPlace{}, runs: map[int]*heapWriting{}}
		p.writing[checkpoint] = claims
	}
	f := &heapPlaces{
		pool: p, me: me, checkpoint: checkpoint, since: since, claims: claims,
		run: &heapWriting{whole: whole, done: make(chan struct{})}, chain: map[uint64]int{}, siblings: map[int]map[uint64]snapshots.Section{},
	}
	claims.runs[me.subtask] = f.run
	if !whole {
		for n, r := range me.consists(since) {
			f.chain[r.Checkpoint] = n
		}
	}
	return f
}

// Place implements host.PagePlaces.
func (f *heapPlaces) Place(sum host.PageSum, offset int64) (host.PagePlace, bool) {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	at, claimed := f.claims.pages[sum]
	if !claimed {
		at = f.pool.stored[sum]
	}
	if lender, ok := f.lender(at); ok {
		return host.PagePlace{Lender: lender, Offset: at.offset}, true
	}
	if !claimed {
		f.claims.pages[sum] = heapPlace{f.checkpoint, offset, f.me.subtask}
	}
	return host.PagePlace{}, false
}

// lender is the number under which the run finds a place, if it may borrow from there.
func (f *heapPlaces) lender(at heapPlace) (uint32, bool) {
	if at.run == 0 {
		return 0, false
	}
	if at.subtask == f.me.subtask {
		if at.run == f.checkpoint {
			return snapshots.ChainLender(len(f.chain)), true
		}
		n, ok := f.chain[at.run]
		return snapshots.ChainLender(n), ok
	}
	for n, l := range f.lenders {
		if l.subtask == at.subtask && l.run == at.run {
			return snapshots.SectionLender(n), true
		}
	}
	if len(f.lenders) == maxLenders {
		return 0, false
	}
	l := heapLender{subtask: at.subtask, run: at.run}
	if at.run == f.checkpoint {
		l.writing = f.claims.runs[at.subtask]
	} else {
		var ok bool
		if l.section, ok = f.sibling(at.subtask)[at.run]; !ok {
			return 0, false
		}
	}
	f.lenders = append(f.lenders, l)
	return snapshots.SectionLender(len(f.lenders) - 1), true
}

// sibling lists the runs of a sibling that may be borrowed from. A whole run does not borrow
// what the sibling is about to replace: it would keep all of it from being deleted.
func (f *heapPlaces) sibling(subtask int) map[uint64]snapshots.Section {
	runs, ok := f.siblings[subtask]
	if ok {
		return runs
	}
	runs = map[uint64]snapshots.Section{}
	if k := f.pool.members[subtask]; k != nil && f.since > 0 && !(f.run.whole && k.full()) {
		for _, r := range k.consists(f.since) {
			runs[r.Checkpoint] = r.Section
		}
	}
	f.siblings[subtask] = runs
	return runs
}

// written tells siblings where the run lies, or why it does not.
func (f *heapPlaces) written(in snapshots.Section, err error) {
	f.run.section, f.run.err = in, err
	close(f.run.done)
}

// borrowed waits until the runs that pages were borrowed from are written, and lists them.
func (f *heapPlaces) borrowed(ctx context.Context) (sections []snapshots.Section, err error) {
	for _, l := range f.lenders {
		if l.writing != nil {
			select {
			case <-l.writing.done:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			if l.writing.err != nil {
				return nil, fmt.Errorf("borrow pages of subtask %d: %w", l.subtask, l.writing.err)
			}
			l.section = l.writing.section
		}
		sections = append(sections, l.section)
	}
	return sections, nil
}
