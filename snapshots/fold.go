package snapshots

import (
	"fmt"
	"slices"

	"github.com/wasmill/wasmill/runtime/fault"
)

// State is what a job's log says.
type State struct {
	Next   uint64 // the lowest free place of the log
	Term   uint64 // the highest so far
	Writer string // who wrote under it first
	Spec   *Spec  // nil: there is no such job yet
	End    *End   // nil: it is to run
	// Checkpoints are the complete ones that are retained, newest first.
	Checkpoints []Checkpoint
	// Last is the highest number of any checkpoint that completed; numbers only grow.
	Last uint64
	// Began tells that this life of the job has completed a checkpoint, retained or not:
	// it has state, and never starts without (C3).
	Began bool
	// Ignored are entries without effect.
	Ignored []Ignored
	// Unreadable are entries that are there, but damaged.
	Unreadable []Unreadable

	first    uint64 // entry that is there
	since    uint64 // entries after the last trim
	lastTrim uint64 // its number; 0: there is none
	keepFrom uint64 // entries below may be deleted
	tail     string // how the stored bytes of the last entry begin; set by Log
}

// Ignored is an entry without effect: that of a deposed writer, or a second try.
type Ignored struct {
	Entry  uint64
	Kind   string
	Reason string
}

// Unreadable is an entry that can't be read.
type Unreadable struct {
	Entry uint64
	Err   error
}

// NewState is what an empty log says.
func NewState() State { return State{Next: 1} }

// Fold is what a log says that consists of these entries, in order of their numbers.
func Fold(entries []Entry) (State, error) {
	s := NewState()
	for _, e := range entries {
		if err := s.Step(e); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Step takes the next entry. A hole in the log is a corruption. The state does not
// share memory with the one before that could change.
func (s *State) Step(e Entry) error {
	if err := s.place(e.Number); err != nil {
		return err
	}
	// D3, C1: a deposed writer's entry has no effect.
	if e.Term < s.Term {
		s.ignore(e, fmt.Sprintf("term %d is lower than %d", e.Term, s.Term))
		return nil
	}
	if e.Term > s.Term {
		s.Term, s.Writer = e.Term, e.Writer
	}
	switch {
	case e.Spec != nil:
		s.spec(e.Spec)
	case e.Checkpoint != nil:
		if !s.complete(e) {
			return nil
		}
	case e.End != nil:
		s.End = e.End
	case e.Trim != nil:
		s.trim(e)
	}
	if e.Retain != nil {
		s.retain(*e.Retain)
	}
	return nil
}

// Skip takes the next entry, which can't be read.
func (s *State) Skip(number uint64, err error) error {
	if err := s.place(number); err != nil {
		return err
	}
	s.Unreadable = append(slices.Clip(s.Unreadable), Unreadable{number, err})
	return nil
}

// place checks an entry's number: a log begins with 1 or with what a trim left.
func (s *State) place(number uint64) error {
	if s.first == 0 && number > 0 {
		s.first, s.Next = number, number
	}
	if number != s.Next {
		return fault.Corruptf("log: entry %d comes where %d is expected", number, s.Next)
	}
	s.Next++
	s.since++
	return nil
}

func (s *State) spec(spec *Spec) {
	s.Spec, s.End = spec, nil
	if !spec.Fresh {
		return
	}
	s.Began = false
	s.Checkpoints = slices.Clone(s.Checkpoints)
	for i := range s.Checkpoints {
		s.Checkpoints[i].Former = true
	}
}

// complete takes a manifest; false if it has no effect.
func (s *State) complete(e Entry) bool {
	if e.Checkpoint.Checkpoint <= s.Last {
		s.ignore(e, fmt.Sprintf("checkpoint %d comes after %d", e.Checkpoint.Checkpoint, s.Last))
		return false
	}
	if s.End != nil {
		s.ignore(e, fmt.Sprintf("checkpoint %d comes after the end of the job", e.Checkpoint.Checkpoint))
		return false
	}
	s.Last, s.Began = e.Checkpoint.Checkpoint, true
	s.Checkpoints = slices.Insert(slices.Clone(s.Checkpoints), 0, Checkpoint{Manifest: *e.Checkpoint, Entry: e.Number})
	return true
}

// trim takes the place of all that came before.
func (s *State) trim(e Entry) {
	t := e.Trim
	s.Spec, s.End, s.Last, s.Began = t.Spec, t.End, t.Last, t.Began
	s.Checkpoints = slices.Clone(t.Checkpoints)
	slices.Reverse(s.Checkpoints)
	s.Ignored, s.Unreadable = nil, nil
	s.since, s.lastTrim, s.keepFrom = 0, e.Number, t.Below
}

func (s *State) retain(numbers []uint64) {
	var kept []Checkpoint
	for _, c := range s.Checkpoints {
		if slices.Contains(numbers, c.Manifest.Checkpoint) {
			kept = append(kept, c)
		}
	}
	s.Checkpoints = kept
}

func (s *State) ignore(e Entry, reason string) {
	s.Ignored = append(slices.Clip(s.Ignored), Ignored{e.Number, e.Kind(), reason})
}

// whole checks that a log which does not begin with entry 1 has been trimmed.
func (s *State) whole() error {
	if s.first > 1 && s.lastTrim == 0 {
		return fault.Corruptf("log: it begins with entry %d, and no trim says why", s.first)
	}
	return nil
}

// TrimDue tells that it is time to trim the log.
func (s *State) TrimDue() bool { return s.since >= TrimAfter }

// NextTerm is a term that nobody had. An entry that can't be read may have been of one
// more than is known.
func (s *State) NextTerm() uint64 { return s.Term + 1 + uint64(len(s.Unreadable)) }

// NextCheckpoint is a number above those of all that completed. An entry that can't be
// read may have been one.
func (s *State) NextCheckpoint() uint64 { return s.Last + 1 + uint64(len(s.Unreadable)) }

// Newest is the newest retained checkpoint of this life; nil if there is none.
func (s *State) Newest() *Checkpoint {
	if len(s.Checkpoints) == 0 || s.Checkpoints[0].Former {
		return nil
	}
	return &s.Checkpoints[0]
}

// Find finds a retained checkpoint by its number; nil if there is none.
func (s *State) Find(checkpoint uint64) *Checkpoint {
	for i := range s.Checkpoints {
		if s.Checkpoints[i].Manifest.Checkpoint == checkpoint {
			return &s.Checkpoints[i]
		}
	}
	return nil
}
