package host

import (
	"io"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/state"
)

// MergeHeap writes one whole run of several, oldest first: a base and what changed since.
// Its memory does not grow with theirs.
func MergeHeap(w io.Writer, runs []*HeapReader) (state.RunInfo, error) {
	newest := runs[len(runs)-1]
	head := newest.Head
	if runs[0].Head.Since != 0 {
		return state.RunInfo{}, fault.Corruptf("merge heap: the run of checkpoint %d has no base", runs[0].Head.Checkpoint)
	}
	head.Since = 0
	cursors := make([]heapCursor, len(runs))
	for i, r := range runs {
		if r.Head.Module != head.Module || r.Head.Memory > head.Memory {
			return state.RunInfo{}, fault.Corruptf("merge heap: the runs of checkpoints %d and %d are not of one instance", r.Head.Checkpoint, head.Checkpoint)
		}
		cursors[i].run = r
	}
	out := newHeapWriter(w, &head)
	page := make([]byte, HeapPage)
	for {
		at, kind, err := mergePage(cursors, page)
		if err == io.EOF {
			return out.finish()
		}
		if err != nil {
			return out.info, err
		}
		if kind != PageBegun { // as are all that a whole run does not list
			out.page(at, kind, page)
		}
		if out.err != nil {
			return out.info, out.err
		}
	}
}

// mergePage finds the next page that any run has; the newest of those that do counts.
func mergePage(cursors []heapCursor, page []byte) (at uint32, kind PageKind, err error) {
	at = heapEnd
	from := -1
	for i := range cursors {
		c := &cursors[i]
		if err := c.load(); err != nil {
			return 0, 0, err
		}
		if !c.done && c.First <= at {
			at, from = c.First, i
		}
	}
	if from < 0 {
		return 0, 0, io.EOF
	}
	for i := range cursors {
		c := &cursors[i]
		if c.done || c.First != at {
			continue
		}
		if c.Kind == PageBytes {
			// Older bytes are read, too, and then overwritten.
			if err := c.run.Read(page); err != nil {
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
