// Package dirty finds which pages of a guest's memory were written: with the kernel's
// help where it gives it, by comparing hashes elsewhere. It is not for what is done with
// them (host's images).
//
// Start with New. A Tracker belongs to one mapping and one goroutine.
package dirty

import (
	"github.com/cespare/xxhash/v2"
)

// PageSize is the unit of tracking, in bytes.
const PageSize = 4096

// Method is how written pages are found.
type Method string

// The methods.
const (
	Userfaultfd Method = "userfaultfd" // asynchronous write protection and PAGEMAP_SCAN; Linux 6.7
	Hashes      Method = "hashes"      // of every page
)

// Range is the pages [First, End).
type Range struct{ First, End int }

// Tracker tells which pages of a mapping were written.
type Tracker interface {
	// Written appends the pages of memory that may have been written since the last
	// call, or since New, ascending; a page that is all zeros and was never touched may
	// be left out. Memory is the mapping's first part, of whole pages, and only grows.
	Written(memory []byte, ranges []Range) ([]Range, error)
	Method() Method
	Close() error
}

// New makes a tracker of a mapping that does not move, with the best method there is.
// Err says why it is not the best of all; the tracker works all the same.
func New(mapping []byte) (t Tracker, err error) {
	t, err = newUserfaultfd(mapping)
	if err != nil {
		return NewHashes(), err
	}
	return t, nil
}

// NewHashes makes a tracker that works everywhere.
func NewHashes() Tracker { return &hashes{} }

// hashes remembers what each page hashed to.
type hashes struct{ of []uint64 }

var zeroHash = xxhash.Sum64(make([]byte, PageSize))

// Written implements Tracker.
func (h *hashes) Written(memory []byte, ranges []Range) ([]Range, error) {
	pages := len(memory) / PageSize
	for len(h.of) < pages {
		h.of = append(h.of, zeroHash)
	}
	for i := range pages {
		sum := xxhash.Sum64(memory[i*PageSize : (i+1)*PageSize])
		if sum == h.of[i] {
			continue
		}
		h.of[i] = sum
		ranges = add(ranges, i, i+1)
	}
	return ranges, nil
}

// Method implements Tracker.
func (h *hashes) Method() Method { return Hashes }

// Close implements Tracker.
func (h *hashes) Close() error { return nil }

// add appends pages that come behind all others.
func add(ranges []Range, first, end int) []Range {
	if n := len(ranges); n > 0 && ranges[n-1].End == first {
		ranges[n-1].End = end
		return ranges
	}
	return append(ranges, Range{first, end})
}
