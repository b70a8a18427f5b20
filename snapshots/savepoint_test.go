package snapshots_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

// A savepoint needs nothing but its folder: the job may be deleted, the folder moved.
func TestSavepointStandsAlone(t *testing.T) {
	for _, c := range []struct {
		name string
		to   *storetest.Memory // nil: the same store
	}{{"in the same store", nil}, {"in another", new(storetest.Memory)}} {
		t.Run(c.name, func(t *testing.T) {
			store := new(storetest.Memory)
			l := newLog(store, "a")
			state := mustComplete(t, l, mustBegin(t, l), nil, 3)
			state = mustComplete(t, l, state, state.Newest(), 3) // of packs of two checkpoints
			m := state.Newest().Manifest
			m.Savepoint, m.Operators[0].Module = "sp", "c0ffee"
			to := store
			if c.to != nil {
				to = c.to
			}
			target := snapshots.Folder{Store: to, Path: snapshots.SavepointFolder(quakes, "sp")}
			if err := folderOf(store).CopyTo(t.Context(), target, m, true); !errors.Is(err, snapshots.ErrNotFound) {
				t.Errorf("without its module: %v", err)
			}
			if _, err := target.ReadManifest(t.Context()); !errors.Is(err, snapshots.ErrNotFound) {
				t.Errorf("half of it is a savepoint: %v", err)
			}
			if err := store.PutIfAbsent(t.Context(), snapshots.ModuleName("c0ffee"), []byte("wasm")); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time, nothing is to be done
				if err := folderOf(store).CopyTo(t.Context(), target, m, true); err != nil {
					t.Fatal(err)
				}
			}
			if err := folderOf(store).CopyTo(t.Context(), target, state.Checkpoints[1].Manifest, false); !errors.Is(err, snapshots.ErrExists) {
				t.Errorf("another under its name: %v", err)
			}
			moved := new(storetest.Memory)
			for _, name := range to.Names(target.Path) {
				moved.Damage("elsewhere"+strings.TrimPrefix(name, target.Path), to.Bytes(name))
			}
			f := snapshots.Folder{Store: moved, Path: "elsewhere"}
			got, err := f.ReadManifest(t.Context())
			if err != nil || got.Savepoint != "sp" || fmt.Sprint(got.Packs()) != fmt.Sprint(m.Packs()) || len(got.Packs()) != 4 {
				t.Fatalf("%+v, %v", got, err)
			}
			if err := f.Check(t.Context(), &got, snapshots.Full); err != nil {
				t.Error(err)
			}
			if string(moved.Bytes("elsewhere/modules/c0ffee.wasm")) != "wasm" {
				t.Error("no module")
			}
		})
	}
}

// A manifest beside its packs is checked to the last byte, too.
func TestDamagedSavepoint(t *testing.T) {
	store := new(storetest.Memory)
	l := newLog(store, "a")
	state := mustComplete(t, l, mustBegin(t, l), nil, 3)
	target := snapshots.Folder{Store: store, Path: "default/savepoints/quakes/sp"}
	if err := folderOf(store).CopyTo(t.Context(), target, state.Newest().Manifest, false); err != nil {
		t.Fatal(err)
	}
	name := target.Path + "/manifest.json"
	whole := store.Bytes(name)
	for i := range whole {
		flipped := append([]byte(nil), whole...)
		flipped[i] ^= 1 << (i % 8)
		store.Damage(name, flipped)
		if _, err := target.ReadManifest(t.Context()); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), name) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
}

func TestManifestSize(t *testing.T) {
	store := new(storetest.Memory)
	l := newLog(store, "a")
	state := mustComplete(t, l, mustBegin(t, l), nil, 3)
	state = mustComplete(t, l, state, state.Newest(), 3)
	newest, first := &state.Checkpoints[0].Manifest, &state.Checkpoints[1].Manifest
	all, own := newest.Size()
	firstAll, firstOwn := first.Size()
	if firstAll != firstOwn || own >= all || all <= firstAll {
		t.Errorf("%d of %d, the first %d of %d", own, all, firstOwn, firstAll)
	}
}
