package connector

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/operator"
)

// streamSplit is what a subtask reads of a stream: the subjects of a filter or, of
// these, those whose hash leaves a remainder. It is named "orders.>" or "orders.>#1/4",
// and stands at "17", the sequence of the last message read, or "17/90" if it ends
// with message 90.
type streamSplit struct {
	id       string
	filter   string
	rest, of uint64
	at       uint64
	bounded  bool
	end      uint64
}

func newStreamSplit(filter string, rest, of int) streamSplit {
	s := streamSplit{id: filter, filter: filter, rest: uint64(rest), of: uint64(of)}
	if of > 1 {
		s.id = fmt.Sprintf("%s#%d/%d", filter, rest, of)
	}
	return s
}

func parseStreamSplit(from operator.Split) (streamSplit, error) {
	bad := func() (streamSplit, error) {
		return streamSplit{}, fault.Corruptf("read position: split %q can't stand at %q", from.ID, from.Position)
	}
	filter, part, divided := strings.Cut(from.ID, "#")
	s := newStreamSplit(filter, 0, 1)
	if divided {
		rest, of, found := strings.Cut(part, "/")
		k, errK := strconv.Atoi(rest)
		n, errN := strconv.Atoi(of)
		if !found || errK != nil || errN != nil || n < 2 || k < 0 || k >= n {
			return bad()
		}
		s = newStreamSplit(filter, k, n)
	}
	if validPattern(filter) != nil {
		return bad()
	}
	at, end, bounded := strings.Cut(from.Position, "/")
	var err error
	if s.bounded = bounded; bounded {
		if s.end, err = strconv.ParseUint(end, 10, 64); err != nil {
			return bad()
		}
	}
	if s.at, err = strconv.ParseUint(at, 10, 64); err != nil {
		return bad()
	}
	return s, nil
}

func (s *streamSplit) takes(subject string) bool {
	return covers(s.filter, subject) && (s.of == 1 || xxhash.Sum64String(subject)%s.of == s.rest)
}

// pass moves a split behind a message.
func (s *streamSplit) pass(sequence uint64) { s.at = max(s.at, sequence) }

func (s *streamSplit) done() bool { return s.bounded && s.at >= s.end }

func (s *streamSplit) position() operator.Split {
	p := operator.Split{ID: s.id, Position: strconv.FormatUint(s.at, 10), Done: s.done()}
	if s.bounded {
		p.Position += "/" + strconv.FormatUint(s.end, 10)
	}
	return p
}

// dealSplits are the splits of one subtask in a run from the start. Each filter is one
// split, unless the job says otherwise or there are more subtasks than filters.
func dealSplits(filters []string, partitions, subtask, parallelism int) []streamSplit {
	if partitions == 0 {
		partitions = 1
		if len(filters) < parallelism {
			partitions = parallelism
		}
	}
	splits, n := []streamSplit{}, 0
	for _, filter := range filters {
		for rest := range partitions {
			if n%parallelism == subtask {
				splits = append(splits, newStreamSplit(filter, rest, partitions))
			}
			n++
		}
	}
	return splits
}
