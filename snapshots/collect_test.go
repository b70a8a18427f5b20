package snapshots_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

func TestRetain(t *testing.T) {
	for _, c := range []struct {
		log   string
		n     uint64
		count int
		bases []uint64
		want  []uint64
	}{
		{"", 1, 3, nil, []uint64{1}},
		{"1 2 3", 4, 3, nil, []uint64{2, 3, 4}},
		{"1 2 3", 4, 1, nil, []uint64{3, 4}},
		{"1 2 3", 4, 0, nil, []uint64{3, 4}},
		{"1 2 3", 4, 2, []uint64{1}, []uint64{1, 3, 4}},
		{"1 2 3", 4, 1, []uint64{0, 7}, []uint64{3, 4}},
		{"1 2 fresh", 3, 1, nil, []uint64{3}},
		{"1 2 fresh", 3, 2, nil, []uint64{2, 3}},
	} {
		s := stateOf(t, c.log)
		if got := snapshots.Retain(&s, c.n, c.count, c.bases...); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q and %d, %d, %d: %d, want %d", c.log, c.n, c.count, c.bases, got, c.want)
		}
	}
}

func TestGarbage(t *testing.T) {
	pack := func(n, term uint64, attempt uint32) string {
		return snapshots.PackID{Checkpoint: n, Attempt: id.Attempt{Term: term, Number: attempt}}.Name()
	}
	current := id.Attempt{Term: 2, Number: 3}
	manifest := &snapshots.Manifest{Checkpoint: 5, Operators: []snapshots.Operator{{Subtasks: []snapshots.Subtask{{
		Runs: []snapshots.Run{{Section: snapshots.Section{Pack: pack(2, 1, 1)}}, {Section: snapshots.Section{Pack: pack(5, 2, 3)}}},
	}}}}}
	state, err := snapshots.Fold([]snapshots.Entry{
		{Number: 1, Term: 2, Fence: &snapshots.Fence{}},
		{Number: 2, Term: 2, Checkpoint: manifest},
	})
	if err != nil {
		t.Fatal(err)
	}
	damaged := state
	if err := damaged.Skip(3, fault.Corruptf("flipped")); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{
		"named by a retained manifest":             pack(5, 2, 3),
		"named, of an older checkpoint":            pack(2, 1, 1),
		"in flight":                                pack(6, 2, 3),
		"in flight, of a later attempt":            pack(6, 2, 4),
		"in flight, of a later term":               pack(7, 3, 1),
		"a name that is no pack's":                 "packs/readme.txt",
		"not named":                                pack(1, 1, 1),
		"of an attempt before, however new":        pack(6, 2, 2),
		"of a term before, however new":            pack(9, 1, 9),
		"aborted: a newer one completed":           pack(4, 2, 3),
		"aborted, of this number, another attempt": pack(5, 2, 2),
	}
	want := []string{"not named", "aborted: a newer one completed", "aborted, of this number, another attempt", "of a term before, however new", "of an attempt before, however new"}
	var packs []snapshots.Object
	for _, name := range all {
		packs = append(packs, snapshots.Object{Name: name, Size: 1})
	}
	var got []string
	for _, o := range snapshots.Garbage(&state, packs, current) {
		got = append(got, o.Name)
	}
	var names []string
	for _, w := range want {
		names = append(names, all[w])
	}
	if !slices.IsSorted(got) {
		t.Errorf("not oldest first: %v", got)
	}
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("%v, want %v", got, names)
	}
	empty := snapshots.NewState()
	for what, s := range map[string]*snapshots.State{"an empty log": &empty, "an entry that can't be read": &damaged} {
		if got := snapshots.Garbage(s, packs, current); len(got) > 0 {
			t.Errorf("%s: %v", what, got)
		}
	}
}

// Row 14: seeded lives of a job under several coordinators, deposed ones among them that
// go on, with overlapping checkpoints, late acks, faults of the store and deletion all
// the time: nothing retained or in flight is ever deleted, nothing complete is lost.
func TestSimulation(t *testing.T) {
	seeds := uint64(20)
	if os.Getenv("WASMILL_SOAK") != "" {
		seeds = 5000
	}
	for seed := range seeds {
		sim := &simulation{T: t, random: rand.New(rand.NewPCG(seed, 7)), memory: new(storetest.Memory)}
		for step := range 150 {
			sim.step()
			sim.check()
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
	}
}

type simulation struct {
	*testing.T
	random  *rand.Rand
	memory  *storetest.Memory
	leaders []*leader // the last one leads, unless it does not know yet that it doesn't
	last    uint64    // the highest checkpoint that a leader took for complete
}

type leader struct {
	log      *snapshots.Log
	store    *storetest.Faulty
	attempt  id.Attempt
	next     uint64
	inFlight []*flight
	state    snapshots.State
}

// flight is a checkpoint that is not complete yet.
type flight struct {
	manifest *snapshots.Manifest
	base     uint64 // that it builds on
}

func (s *simulation) step() {
	if len(s.leaders) == 0 || s.random.IntN(25) == 0 {
		s.lead()
		return
	}
	// The newest acts most of the time, the others now and then.
	l := s.leaders[len(s.leaders)-1]
	if s.random.IntN(4) == 0 {
		l = s.leaders[s.random.IntN(len(s.leaders))]
	}
	switch action := s.random.IntN(12); {
	case action < 4:
		s.trigger(l)
	case action < 8 && len(l.inFlight) > 0:
		s.complete(l, s.random.IntN(len(l.inFlight)))
	case action == 8 && len(l.inFlight) > 0:
		l.inFlight = slices.Delete(l.inFlight, 0, 1) // aborted
	case action == 9:
		s.settle(l.log.Trim(s.Context(), l.attempt.Term, noon))
	default:
		_, err := snapshots.Collect(s.Context(), l.log, l.attempt, false)
		s.settle(snapshots.State{}, err)
	}
}

// lead lets another coordinator take the job over.
func (s *simulation) lead() {
	store := &storetest.Faulty{Store: s.memory, Decide: func(storetest.Op) storetest.Fault {
		if s.random.IntN(12) > 0 {
			return storetest.None
		}
		return []storetest.Fault{storetest.Unavailable, storetest.Reset, storetest.LostReply, storetest.Late, storetest.Torn}[s.random.IntN(5)]
	}}
	l := &leader{store: store, log: newLog(store, fmt.Sprint(len(s.leaders), "-", s.random.Uint32()))}
	state, err := begin(s.Context(), l.log)
	if err != nil {
		s.settle(state, err)
		return
	}
	l.state, l.next, l.attempt = state, state.NextCheckpoint(), id.Attempt{Term: state.Term, Number: 1}
	s.leaders = append(s.leaders, l)
}

func (s *simulation) trigger(l *leader) {
	if len(l.inFlight) == 3 {
		return
	}
	f := &flight{}
	base := l.state.Newest()
	if base == nil || s.random.IntN(3) == 0 {
		base = nil
	} else {
		f.base = base.Manifest.Checkpoint
	}
	n := l.next
	l.next++
	var err error
	if f.manifest, err = takeCheckpoint(s.Context(), l.store, n, l.attempt, base); err != nil {
		s.settle(snapshots.State{}, err)
		return
	}
	l.inFlight = append(l.inFlight, f)
}

func (s *simulation) complete(l *leader, i int) {
	f := l.inFlight[i]
	// Those before it are aborted: they would come too late.
	l.inFlight = l.inFlight[i+1:]
	var bases []uint64
	for _, other := range l.inFlight {
		bases = append(bases, other.base)
	}
	retain := snapshots.Retain(&l.state, f.manifest.Checkpoint, 1+s.random.IntN(3), bases...)
	state, err := l.log.Append(s.Context(), snapshots.Entry{Checkpoint: f.manifest, Time: noon, Retain: &retain}, l.attempt.Term)
	if err != nil {
		// It may come to be complete: it stays in flight, and is tried again.
		if !errors.Is(err, fault.ErrFenced) {
			l.inFlight = append([]*flight{f}, l.inFlight...)
		}
		s.settle(state, err)
		return
	}
	if l != s.leaders[len(s.leaders)-1] {
		s.Errorf("a deposed leader completed checkpoint %d", f.manifest.Checkpoint)
	}
	l.state = state
	s.last = max(s.last, f.manifest.Checkpoint)
}

// settle accepts the errors that a store with faults, or a successor, cause.
func (s *simulation) settle(_ snapshots.State, err error) {
	if err != nil && !errors.Is(err, fault.ErrTransient) && !errors.Is(err, fault.ErrFenced) {
		s.Errorf("%v", err)
	}
}

// check looks at what must hold after every step.
func (s *simulation) check() {
	state, err := newLog(s.memory, "").Read(s.Context())
	if err != nil || len(state.Unreadable) > 0 || state.Last < s.last {
		s.Errorf("the log says %+v, %v; checkpoint %d was complete", state, err, s.last)
		return
	}
	for _, c := range state.Checkpoints {
		s.there(&c.Manifest, "retained")
	}
	if len(s.leaders) == 0 {
		return
	}
	l := s.leaders[len(s.leaders)-1]
	for _, f := range l.inFlight {
		if state.Term == l.attempt.Term && f.manifest.Checkpoint > state.Last {
			s.there(f.manifest, "in flight")
		}
	}
}

func (s *simulation) there(m *snapshots.Manifest, what string) {
	for _, name := range m.Packs() {
		if s.memory.Bytes(folderOf(s.memory).Path+"/"+name) == nil {
			s.Errorf("checkpoint %d, %s: %s is gone", m.Checkpoint, what, name)
		}
	}
}
