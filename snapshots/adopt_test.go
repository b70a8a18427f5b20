package snapshots_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

// An adopted checkpoint has every byte of the first, is the job's own as far as its log
// is concerned, and later runs build on it by its number.
func TestAdopt(t *testing.T) {
	for _, c := range []struct {
		name  string
		store snapshots.Store // nil: of the job itself
		path  string
		packs int // of the new checkpoint's own
	}{
		{"of the same job", nil, "", 0},
		{"of another job", nil, "default/jobs/other", 4},
		{"of another store", new(storetest.Memory), "", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := new(storetest.Memory)
			l := newLog(store, "a")
			state := mustComplete(t, l, mustBegin(t, l), nil, 3)
			state = mustComplete(t, l, state, state.Newest(), 3)
			was, from := &state.Newest().Manifest, folderOf(store)
			if c.packs > 0 {
				from = snapshots.Folder{Store: c.store, Path: c.path}
				if from.Store == nil {
					from.Store = store
				}
				if err := folderOf(store).CopyTo(t.Context(), from, *was, false); err != nil {
					t.Fatal(err)
				}
			}
			before := fmt.Sprintf("%+v", was)
			state, err := l.Fence(t.Context(), state.NextTerm(), noon)
			if err != nil {
				t.Fatal(err)
			}
			attempt := id.Attempt{Term: state.Term}
			m, err := from.Adopt(t.Context(), folderOf(store), was, 7, attempt)
			if err != nil {
				t.Fatal(err)
			}
			if after := fmt.Sprintf("%+v", was); after != before {
				t.Errorf("the first changed:\n%s\n%s", before, after)
			}
			for i, s := range m.Operators[0].Subtasks {
				old := was.Operators[0].Subtasks[i]
				if n := len(s.Runs); n != 2 || s.Runs[n-1].Checkpoint != 7 || s.Runs[0].Checkpoint != old.Runs[0].Checkpoint {
					t.Errorf("subtask %d has runs %+v", i, s.Runs)
				}
				for r := range s.Runs {
					if got, want := readAll(t, folderOf(store), s.Runs[r].Section), readAll(t, from, old.Runs[r].Section); got != want {
						t.Errorf("subtask %d, run %d: %q, want %q", i, r, got, want)
					}
				}
			}
			own := 0
			for _, name := range m.Packs() {
				if p, ok := snapshots.ParsePackName(name); ok && p.Checkpoint == 7 && p.Attempt == attempt {
					own++
				}
			}
			if own != c.packs {
				t.Errorf("%d packs are its own, want %d", own, c.packs)
			}
			// What is in flight is no garbage, and the log takes it.
			if garbage, err := snapshots.Collect(t.Context(), l, attempt, true); err != nil || len(garbage) > 0 {
				t.Errorf("garbage %v, %v", garbage, err)
			}
			if state, err = l.Append(t.Context(), snapshots.Entry{Checkpoint: m, Time: noon}, state.Term); err != nil {
				t.Fatal(err)
			}
			if newest := state.Newest(); newest == nil || newest.Manifest.Checkpoint != 7 {
				t.Errorf("newest is %+v", newest)
			}
		})
	}
}

func TestAdoptRefuses(t *testing.T) {
	store := new(storetest.Memory)
	l := newLog(store, "a")
	state := mustComplete(t, l, mustBegin(t, l), nil, 3)
	m := &state.Newest().Manifest
	to := snapshots.Folder{Store: store, Path: "default/jobs/other"}
	if _, err := folderOf(store).Adopt(t.Context(), to, m, m.Checkpoint, id.Attempt{Term: 1}); err == nil {
		t.Error("a number that does not grow")
	}
	whole := store.Bytes(folderOf(store).Path + "/" + m.Packs()[0])
	store.Damage(folderOf(store).Path+"/"+m.Packs()[0], whole[:len(whole)-1])
	if _, err := folderOf(store).Adopt(t.Context(), to, m, 7, id.Attempt{Term: 1}); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("a pack that is cut off: %v", err)
	}
	if err := store.Delete(t.Context(), folderOf(store).Path+"/"+m.Packs()[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := folderOf(store).Adopt(t.Context(), to, m, 7, id.Attempt{Term: 1}); !errors.Is(err, snapshots.ErrNotFound) {
		t.Errorf("a pack that is gone: %v", err)
	}
}

func readAll(t *testing.T, f snapshots.Folder, s snapshots.Section) string {
	t.Helper()
	r := f.OpenSection(t.Context(), s)
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}
