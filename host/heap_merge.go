package host

import (
	"io"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/state"
)

// HeapFold gives the pages of several runs, of a base and what changed since, as one: of
// each page what the newest run has. Its memory does not grow with theirs.
type HeapFold struct {
	Head    HeapHead // of the newest, but whole
	cursors []heapCursor
	page    []byte
	sum     PageSum
	lent    *HeapReader // of the page at hand, if it is lent
	at      lentPage
}

// FoldHeap folds runs, oldest first.
func FoldHeap(runs []*HeapReader) (*HeapFold, error) {
	f := &HeapFold{Head: runs[len(runs)-1].Head, cursors: make([]heapCursor, len(runs)), page: make([]byte, HeapPage)}
	if runs[0].Head.Since != 0 {
		return nil, fault.Corruptf("fold heap: the run of checkpoint %d has no base", runs[0].Head.Checkpoint)
	}
	f.Head.Since = 0
	for i, r := range runs {
		if r.Head.Module != f.Head.Module || r.Head.Memory > f.Head.Memory {
			return nil, fault.Corruptf("fold heap: the runs of checkpoints %d and %d are not of one instance", r.Head.Checkpoint, f.Head.Checkpoint)
		}
		f.cursors[i].run = r
	}
	return f, nil
}

// Next gives the next page that is not as the module begins. io.EOF after the last.
func (f *HeapFold) Next() (page uint32, kind PageKind, err error) {
	for {
		page, kind, err = f.next()
		if err != nil || kind != PageBegun {
			return page, kind, err
		}
	}
}

// Bytes are those of the page at hand, of kind PageBytes or PageLent, until Next is
// called. It fetches lent ones.
func (f *HeapFold) Bytes() ([]byte, error) {
	if f.lent == nil {
		return f.page, nil
	}
	err := f.at.fetch(f.page, f.lent.lent)
	f.lent = nil
	return f.page, err
}

// Sum is that of the page at hand, of kind PageBytes or PageLent.
func (f *HeapFold) Sum() PageSum { return f.sum }

// next finds the next page that any run has.
func (f *HeapFold) next() (at uint32, kind PageKind, err error) {
	at = heapEnd
	for i := range f.cursors {
		c := &f.cursors[i]
		if err := c.load(); err != nil {
			return 0, 0, err
		}
		if !c.done {
			at = min(at, c.First)
		}
	}
	if at == heapEnd {
		return 0, 0, io.EOF
	}
	f.lent = nil
	found := false
	for i := len(f.cursors) - 1; i >= 0; i-- {
		c := &f.cursors[i]
		if c.done || c.First != at {
			continue
		}
		c.First++
		c.Count--
		if found { // a newer run has it: the reader skips this one
			if c.Kind >= PageBytes {
				if _, err := c.run.take(nil); err != nil {
					return 0, 0, err
				}
			}
			continue
		}
		found = true
		if kind = c.Kind; kind >= PageBytes {
			if f.at, err = c.run.take(f.page); err != nil {
				return 0, 0, err
			}
			f.sum = f.at.sum
		}
		if kind == PageLent {
			f.lent = c.run
		}
	}
	return at, kind, nil
}

// heapCursor stands at a page of a run.
type heapCursor struct {
	HeapPages // what is left of an entry
	run       *HeapReader
	done      bool
}

func (c *heapCursor) load() (err error) {
	if c.Count > 0 || c.done {
		return nil
	}
	if c.HeapPages, err = c.run.Next(); err == io.EOF {
		c.done, err = true, nil
	}
	return err
}

// MergeHeap writes one whole run of several, oldest first. Pages that they lend or borrow
// are stored again, unless places has them.
func MergeHeap(w io.Writer, runs []*HeapReader, places PagePlaces) (state.RunInfo, error) {
	fold, err := FoldHeap(runs)
	if err != nil {
		return state.RunInfo{}, err
	}
	out := newHeapWriter(w, &fold.Head, places)
	for out.err == nil {
		page, kind, err := fold.Next()
		if err == io.EOF {
			return out.finish()
		}
		if err != nil {
			return out.info, err
		}
		if kind == PageZero {
			out.blank(page, kind)
		} else {
			out.page(page, fold.sum, fold.Bytes)
		}
	}
	return out.info, out.err
}
