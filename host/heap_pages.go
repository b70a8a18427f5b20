package host

import (
	"math/bits"

	"github.com/wasmill/wasmill/host/internal/dirty"
)

// pageSet is a set of pages, a bit each.
type pageSet []uint64

// add puts the pages [first, end) in, and returns the set.
func (s pageSet) add(first, end int) pageSet {
	if need := (end + 63) / 64; need > len(s) {
		s = append(s, make([]uint64, need-len(s))...)
	}
	for p := first; p < end; {
		if p%64 == 0 && end-p >= 64 {
			s[p/64] = ^uint64(0)
			p += 64
			continue
		}
		s[p/64] |= 1 << (p % 64)
		p++
	}
	return s
}

// union puts the pages of other in, and returns the set.
func (s pageSet) union(other pageSet) pageSet {
	if len(other) > len(s) {
		s = append(s, make([]uint64, len(other)-len(s))...)
	}
	for n, word := range other {
		s[n] |= word
	}
	return s
}

// next is the first page from p on that is in the set, or with in false is not; end if
// there is none before.
func (s pageSet) next(p, end int, in bool) int {
	for p < end {
		word := uint64(0)
		if p/64 < len(s) {
			word = s[p/64]
		}
		if !in {
			word = ^word
		}
		if word >>= p % 64; word != 0 {
			return min(end, p+bits.TrailingZeros64(word))
		}
		p = (p/64 + 1) * 64
	}
	return end
}

// ranges lists the pages of the set, ascending.
func (s pageSet) ranges() (all []dirty.Range) {
	most := len(s) * 64
	for p := s.next(0, most, true); p < most; {
		end := s.next(p, most, false)
		all = append(all, dirty.Range{First: p, End: end})
		p = s.next(end, most, true)
	}
	return all
}
