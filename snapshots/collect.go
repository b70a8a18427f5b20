package snapshots

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/wasmill/wasmill/runtime/id"
)

// Retain says which checkpoints are to be retained once checkpoint n is complete: the
// newest count, n among them, and those that others build on: the bases, each of which
// was the newest when a checkpoint in flight began, and always the newest before n,
// since more may begin before everybody knows that n is complete.
func Retain(s *State, n uint64, count int, bases ...uint64) []uint64 {
	if newest := s.Newest(); newest != nil {
		bases = append(slices.Clip(bases), newest.Manifest.Checkpoint)
	}
	kept := []uint64{n}
	for _, c := range s.Checkpoints {
		number := c.Manifest.Checkpoint
		if number != n && (len(kept) < count || slices.Contains(bases, number)) {
			kept = append(kept, number)
		}
	}
	slices.Sort(kept)
	return kept
}

// DanglingError refuses a manifest that names objects which may be deleted: neither its
// own nor a retained checkpoint's. The checkpoint is to be aborted.
type DanglingError struct {
	Checkpoint uint64
	Packs      []string
}

func (e *DanglingError) Error() string {
	return fmt.Sprintf("checkpoint %d builds on packs that are not retained: %s", e.Checkpoint, strings.Join(e.Packs, ", "))
}

// Dangling are the packs of a manifest that D4 does not protect.
func (s *State) Dangling(m *Manifest) (packs []string) {
	live := s.live()
	for _, name := range m.Packs() {
		p, ok := ParsePackName(name)
		own := ok && p.Checkpoint == m.Checkpoint && p.Attempt == m.Attempt
		if !own && !live[name] {
			packs = append(packs, name)
		}
	}
	return packs
}

func (s *State) live() map[string]bool {
	live := map[string]bool{}
	for i := range s.Checkpoints {
		for _, name := range s.Checkpoints[i].Packs() {
			live[name] = true
		}
	}
	return live
}

// Garbage picks the packs that nobody needs any more, oldest first, from a listing of
// the job's packs with names below its folder. Current is the attempt that runs, or the
// least that may run.
//
// It never picks what a retained manifest names (D4), nor what may be in flight: packs
// of the current attempt, or a later one, for a checkpoint newer than the newest
// complete one. It picks nothing if the log is empty or has entries that can't be read:
// they may have named anything.
func Garbage(s *State, packs []Object, current id.Attempt) (garbage []Object) {
	if s.Next == 1 || len(s.Unreadable) > 0 {
		return nil
	}
	live := s.live()
	for _, o := range packs {
		p, ok := ParsePackName(o.Name)
		if !ok || live[o.Name] {
			continue
		}
		if inFlight := p.Checkpoint > s.Last && !p.Attempt.Before(current); !inFlight {
			garbage = append(garbage, o)
		}
	}
	slices.SortFunc(garbage, func(a, b Object) int { return cmp.Compare(a.Name, b.Name) })
	return garbage
}

// deletions is how many packs are deleted between two looks at the log.
const deletions = 32

// Collect deletes the garbage of a job, and returns it; with dry set it only returns it.
// ErrFenced: the job is under a higher term than that of the current attempt.
func Collect(ctx context.Context, l *Log, current id.Attempt, dry bool) ([]Object, error) {
	packs, err := listPacks(ctx, l)
	if err != nil {
		return nil, err
	}
	state, err := l.unfenced(ctx, current)
	if err != nil {
		return nil, err
	}
	garbage := Garbage(&state, packs, current)
	if dry {
		return garbage, nil
	}
	for i, o := range garbage {
		// C1: the term is read again before deleting, and now and then meanwhile.
		if i > 0 && i%deletions == 0 {
			if _, err := l.unfenced(ctx, current); err != nil {
				return garbage[:i], err
			}
		}
		if err := l.Store.Delete(ctx, JobFolder(l.Job)+"/"+o.Name); err != nil {
			return garbage[:i], fmt.Errorf("collect garbage of %s: %w", l.Job, err)
		}
	}
	if sweeper, ok := l.Store.(Sweeper); ok {
		err = sweeper.Sweep(ctx)
	}
	return garbage, err
}

// unfenced reads the log, and refuses to act under a lower term than its.
func (l *Log) unfenced(ctx context.Context, current id.Attempt) (State, error) {
	state, err := l.Read(ctx)
	if err == nil && state.Term > current.Term {
		err = fencedf("collect garbage of %s: term %d, the log has %d", l.Job, current.Term, state.Term)
	}
	return state, err
}

func listPacks(ctx context.Context, l *Log) (packs []Object, err error) {
	folder := JobFolder(l.Job) + "/"
	for o, err := range l.Store.List(ctx, folder+"packs/") {
		if err != nil {
			return nil, fmt.Errorf("list packs of %s: %w", l.Job, err)
		}
		packs = append(packs, Object{strings.TrimPrefix(o.Name, folder), o.Size})
	}
	return packs, nil
}
