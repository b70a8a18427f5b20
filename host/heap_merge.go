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

// Next gives the next page that is not as the module begins; its bytes, of a page of
// kind PageBytes, may be read until the next call. io.EOF after the last.
func (f *HeapFold) Next() (page uint32, kind PageKind, bytes []byte, err error) {
	for {
		page, kind, err = f.next()
		if err != nil || kind != PageBegun {
			return page, kind, f.page, err
		}
	}
}

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
	for i := range f.cursors {
		c := &f.cursors[i]
		if c.done || c.First != at {
			continue
		}
		if c.Kind == PageBytes {
			// Older bytes are read, too, and then overwritten.
			if err := c.run.Read(f.page); err != nil {
				return 0, 0, err
			}
		}
		kind = c.Kind
		c.First++
		c.Count--
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

// MergeHeap writes one whole run of several, oldest first.
func MergeHeap(w io.Writer, runs []*HeapReader) (state.RunInfo, error) {
	fold, err := FoldHeap(runs)
	if err != nil {
		return state.RunInfo{}, err
	}
	out := newHeapWriter(w, &fold.Head)
	for out.err == nil {
		page, kind, bytes, err := fold.Next()
		if err == io.EOF {
			return out.finish()
		}
		if err != nil {
			return out.info, err
		}
		out.page(page, kind, bytes)
	}
	return out.info, out.err
}
