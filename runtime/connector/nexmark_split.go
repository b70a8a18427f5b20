package connector

import (
	"fmt"
	"slices"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/operator"
)

// nexmarkParts is how many splits the events of a source nexmark are in, whatever the
// parallelism: those whose numbers leave the same remainder. It is a prime, since the kinds
// of events follow their numbers, too: had it a factor in common with persons + auctions +
// bids, some splits would have all persons, and others none. More subtasks than that have
// nothing to do.
const nexmarkParts = 127

// nexmarkSplits are the splits of one subtask. They go through the numbers in order, so
// that timestamps never fall, even where splits stand far apart, as those that came
// from different subtasks do.
type nexmarkSplits struct {
	next  [nexmarkParts]int64 // by remainder, the number it stands at; -1: it is another's
	own   []int64             // remainders, ascending
	round int64               // a multiple of nexmarkParts: no split stands below it
	at    int                 // of own: those before it stand above the round
}

func openNexmarkSplits(c Context) (nexmarkSplits, error) {
	s := nexmarkSplits{}
	for i := range s.next {
		s.next[i] = -1
	}
	if c.Restore == nil {
		for r := int64(c.Subtask.Index); r < nexmarkParts; r += int64(c.Parallelism) {
			s.next[r] = r
			s.own = append(s.own, r)
		}
		return s, nil
	}
	for i, from := range c.Restore {
		split, err := parseStripe(from)
		if err != nil {
			return s, err
		}
		if split.step != nexmarkParts {
			return s, fault.Corruptf("read position: split %q is not one of %d", from.ID, nexmarkParts)
		}
		if round := split.next - split.next%nexmarkParts; i == 0 || round < s.round {
			s.round = round
		}
		s.next[split.next%nexmarkParts] = split.next
		s.own = append(s.own, split.next%nexmarkParts)
	}
	slices.Sort(s.own)
	return s, nil
}

// take appends numbers below until, as many as there is room for, and returns a number
// below which none is left.
func (s *nexmarkSplits) take(numbers []int64, until int64) (taken []int64, next int64) {
	for {
		r := s.own[s.at]
		n := s.round + r
		if n >= until || len(numbers) == cap(numbers) {
			return numbers, n
		}
		if s.next[r] == n {
			numbers = append(numbers, n)
			s.next[r] = n + nexmarkParts
		}
		if s.at++; s.at == len(s.own) {
			s.at = 0
			s.round += nexmarkParts
		}
	}
}

// positions says where the splits stand, of which those at end or behind it are done.
func (s *nexmarkSplits) positions(end int64) []operator.Split {
	stripes := make([]stripe, len(s.own))
	for i, r := range s.own {
		// Names are dealt out in their order as texts.
		stripes[i] = stripe{id: fmt.Sprintf("%03d/%d", r, nexmarkParts), next: s.next[r], step: nexmarkParts}
	}
	return positions(stripes, end)
}
