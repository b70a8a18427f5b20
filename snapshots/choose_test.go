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

// stateOf is what a log says that has these checkpoints, oldest first; "!" stands for an
// entry that can't be read, "fresh" begins another life.
func stateOf(t *testing.T, log string) snapshots.State {
	s := snapshots.NewState()
	for i, word := range strings.Fields("fence fresh " + log) {
		var err error
		e := snapshots.Entry{Number: uint64(i + 1), Term: 1, Time: noon}
		switch word {
		case "!":
			err = s.Skip(e.Number, fault.Corruptf("flipped"))
		case "fence":
			e.Fence = &snapshots.Fence{}
		case "fresh":
			e.Spec = &snapshots.Spec{Fresh: true}
		case "forget":
			e.End, e.Retain = &snapshots.End{}, &[]uint64{}
		default:
			e.Checkpoint = &snapshots.Manifest{Checkpoint: uint64(atoi(t, word))}
		}
		if word != "!" {
			err = s.Step(e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestChoose(t *testing.T) {
	bad, away := fault.Corruptf("bit flipped"), fault.Transientf("503")
	for _, c := range []struct {
		name    string
		log     string
		checked map[uint64]error
		want    string
	}{
		{"no checkpoint yet", "", nil, "nothing"},
		{"newest, not checked yet", "1 2 3", nil, "3?"},
		{"newest", "1 2 3", map[uint64]error{3: nil}, "3"},
		{"newest is damaged", "1 2 3", map[uint64]error{3: bad}, "2? skipped 3"},
		{"two are damaged", "1 2 3", map[uint64]error{3: bad, 2: bad, 1: nil}, "1 skipped 3 2"},
		{"all are damaged", "1 2", map[uint64]error{2: bad, 1: bad}, "refused: no checkpoint of this job can be restored; checkpoint 2: bit flipped; checkpoint 1: bit flipped (--from none starts it without its state)"},
		{"it is not known whether it is damaged", "1 2", map[uint64]error{2: away}, "refused: check checkpoint 2: 503"},
		{"an older one is not asked for", "1 2", map[uint64]error{2: nil, 1: away}, "2"},
		{"an entry can't be read, a newer can", "1 ! 3", map[uint64]error{3: nil}, "3 skipped entry 4"},
		{"the newest entry can't be read", "1 2 !", nil, "2? skipped entry 5"},
		{"the only one can't be read", "!", nil, "refused: no checkpoint of this job can be restored; log entry 3: flipped (--from none starts it without its state)"},
		{"another life, nothing of it yet", "1 2 fresh", nil, "nothing"},
		{"another life", "1 2 fresh 3", nil, "3?"},
		{"another life, damaged: never another's", "1 2 fresh 3", map[uint64]error{3: bad}, "refused: no checkpoint of this job can be restored; checkpoint 3: bit flipped (--from none starts it without its state)"},
		{"nothing is retained", "1 2 forget", nil, "refused: no checkpoint of this job can be restored (--from none starts it without its state)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := stateOf(t, c.log)
			choice, err := snapshots.Choose(&s, c.checked)
			if got := describeChoice(choice, err); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			var none *snapshots.NoStateError
			if errors.As(err, &none) != strings.Contains(c.want, "no checkpoint") || errors.As(err, &none) && !errors.Is(err, fault.ErrCorrupt) {
				t.Errorf("class of %v", err)
			}
		})
	}
}

func describeChoice(c snapshots.Choice, err error) string {
	if err != nil {
		return "refused: " + err.Error()
	}
	if c.Checkpoint == nil {
		return "nothing"
	}
	text := fmt.Sprint(c.Checkpoint.Manifest.Checkpoint)
	if !c.Checked {
		text += "?"
	}
	if len(c.Skipped) > 0 {
		text += " skipped"
	}
	for _, s := range c.Skipped {
		if s.Checkpoint > 0 {
			text += fmt.Sprintf(" %d", s.Checkpoint)
		} else {
			text += fmt.Sprintf(" entry %d", s.Entry)
		}
	}
	return text
}

// Row 12: a pack that is damaged or missing sends the job back by one checkpoint, a
// store that is away does not.
func TestPick(t *testing.T) {
	store := new(storetest.Memory)
	l := newLog(store, "a")
	state := mustBegin(t, l)
	for range 3 {
		state = mustComplete(t, l, state, nil, 3)
	}
	f := folderOf(store)
	packs := store.Names(f.Path + "/packs/")
	whole := store.Bytes(packs[5])
	flipped := append([]byte(nil), whole...)
	flipped[12] ^= 4 // within a chunk
	for _, c := range []struct {
		name   string
		damage func()
		depth  snapshots.Depth
		known  map[uint64]error
		want   string
	}{
		{"sound", func() {}, snapshots.Full, nil, "3"},
		{"flipped", func() { store.Damage(packs[5], flipped) }, snapshots.Full, nil, "2 skipped 3"},
		{"flipped, not looked at closely", func() {}, snapshots.Quick, nil, "3"},
		{"flipped, found while it was read", func() {}, snapshots.Quick, map[uint64]error{3: fault.Corruptf("flipped")}, "2 skipped 3"},
		{"truncated", func() { store.Damage(packs[5], whole[:len(whole)-1]) }, snapshots.Quick, nil, "2 skipped 3"},
		{"deleted", func() { _ = store.Delete(t.Context(), packs[5]) }, snapshots.Quick, nil, "2 skipped 3"},
		{"two of them", func() { _ = store.Delete(t.Context(), packs[2]) }, snapshots.Quick, nil, "1 skipped 3 2"},
		{"all of them", func() { _ = store.Delete(t.Context(), packs[0]) }, snapshots.Quick, nil, "refused"},
	} {
		c.damage()
		choice, err := snapshots.Pick(t.Context(), &state, f, c.depth, c.known)
		if got := describeChoice(choice, err); got != c.want && !strings.HasPrefix(got, c.want+":") {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		for _, s := range choice.Skipped {
			if s.Checkpoint == 3 && c.known == nil && !strings.Contains(s.Err.Error(), packs[5]) {
				t.Errorf("%s: the object is not named: %v", c.name, s.Err)
			}
		}
	}
	away := folderOf(&storetest.Faulty{Store: store, Decide: func(storetest.Op) storetest.Fault { return storetest.Unavailable }})
	if choice, err := snapshots.Pick(t.Context(), &state, away, snapshots.Quick, nil); !errors.Is(err, fault.ErrTransient) {
		t.Errorf("store away: %v, %v", choice, err)
	}
}
