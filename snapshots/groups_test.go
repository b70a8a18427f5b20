package snapshots

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
)

func TestGroupsAreStoredInAFewBytes(t *testing.T) {
	for _, c := range []struct {
		groups Groups
		want   string
	}{
		{nil, `""`},
		{Groups{{0, 0, 0}}, `"AAAA"`},
		{Groups{{3, 74, 102}}, `"A0pm"`},
		{Groups{{3, 74, 102}, {4, 176, 24}, {9, 300, 1 << 40}}, `"A0pmAAAYBGSAgICAgCA="`},
	} {
		got, err := json.Marshal(c.groups)
		if c.groups == nil {
			got, err = json.Marshal(Groups{})
		}
		if err != nil || string(got) != c.want {
			t.Errorf("%v is %s, %v; want %s", c.groups, got, err, c.want)
		}
		var back Groups
		if err := json.Unmarshal(got, &back); err != nil || !slices.Equal(back, c.groups) {
			t.Errorf("%s is %v, %v; want %v", got, back, err, c.groups)
		}
	}
	if _, err := (Groups{{4, 10, 5}, {4, 15, 5}}).MarshalText(); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("a group that comes twice: %v", err)
	}
}

func FuzzGroups(f *testing.F) {
	f.Add([]byte("A0pmAAAYBGSAgICAgCA="))
	f.Add([]byte("A0p"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var g Groups
		if err := g.UnmarshalText(text); err != nil {
			if !errors.Is(err, fault.ErrCorrupt) {
				t.Errorf("not a corruption: %v", err)
			}
			return
		}
		again, err := g.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Groups
		if err := back.UnmarshalText(again); err != nil || !slices.Equal(back, g) {
			t.Errorf("%v became %v, %v", g, back, err)
		}
	})
}
