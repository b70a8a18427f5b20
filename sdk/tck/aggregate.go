package tck

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/fault"
)

func (s suite) aggregate(t *testing.T) {
	t.Run("describes itself", func(t *testing.T) {
		if d := s.module.Description(); d.Name != "tck-aggregate" || len(d.Tables) != 0 || !slices.Equal(d.Inputs, []string{"in"}) || !slices.Equal(d.Outputs, []string{"out"}) {
			t.Errorf("describes itself as %+v", d)
		}
	})
	t.Run("accumulate, merge, finish", s.folds)
	t.Run("records cut into calls", s.foldsInPieces)
	t.Run("rejects", s.foldRejects)
	t.Run("faults", s.foldFaults)
	t.Run("windows", s.aggregateWindows)
}

// accumulate calls the guest; each group has an answer.
func accumulate(t *testing.T, i *host.Instance, groups ...group) [][]byte {
	t.Helper()
	reply, err := i.Accumulate(call(groups...))
	if err != nil {
		t.Fatalf("accumulate: %v", err)
	}
	return accumulators(t, reply, len(groups))
}

// finished is what a guest makes of an accumulator: "KEY: …".
func finished(t *testing.T, i *host.Instance, g *gathered, groups ...group) []string {
	t.Helper()
	if err := i.Finish(call(groups...)); err != nil {
		t.Fatalf("finish: %v", err)
	}
	return g.said()
}

func (s suite) folds(t *testing.T) {
	i, g := s.open(t, settings{})
	accs := accumulate(t, i, group{key: "a", body: values("3", "-5", "10")}, group{key: "", body: values("7"), start: 10, end: 20})
	again := accumulate(t, i, group{key: "a", acc: accs[0], body: values("100")})
	if len(g.batches) > 0 {
		t.Errorf("emitted while it accumulated: %q", g.said())
	}
	want := []string{"a: 0 10 0 4 108 -5 100", ": 10 20 2 1 7 7 7"}
	got := finished(t, i, g, group{key: "a", acc: again[0], end: 10}, group{key: "", acc: accs[1], start: 10, end: 20, firing: 2})
	if !slices.Equal(got, want) {
		t.Errorf("finished as %q, want %q", got, want)
	}
	// An accumulator stays as it is, and may be finished again: early, on time, late.
	if got := finished(t, i, g, group{key: "a", acc: accs[0], firing: 1, start: math.MinInt64, end: math.MaxInt64}); got[0] != "a: -9223372036854775808 9223372036854775807 1 3 8 -5 10" {
		t.Errorf("finished again as %q", got)
	}
	reply, err := i.Merge(call(group{key: "a", body: parts(accs[0], accs[1], again[0])}, group{key: "b", body: parts(accs[1], accs[1])}))
	if err != nil {
		t.Fatalf("merge: %v", err)
	}
	merged := accumulators(t, reply, 2)
	got = finished(t, i, g, group{key: "a", acc: merged[0]}, group{key: "b", acc: merged[1]})
	if want := []string{"a: 0 0 0 8 123 -5 100", "b: 0 0 0 2 14 7 7"}; !slices.Equal(got, want) {
		t.Errorf("merged and finished as %q, want %q", got, want)
	}
	if reply, err := i.Accumulate(nil); err != nil || len(reply) > 0 {
		t.Errorf("no groups: replied %d bytes, %v", len(reply), err)
	}
}

// foldsInPieces: however records are cut into groups and calls, the accumulator is the
// same, byte for byte, and the same as that of merging.
func (s suite) foldsInPieces(t *testing.T) {
	i, g := s.open(t, settings{})
	texts := numbers(-1_000, 3_000, " "+strings.Repeat("padding ", 50))
	whole := accumulate(t, i, group{key: "k", body: values(texts...)})[0] // more than a MB in one group
	var acc []byte
	var pieces [][]byte
	for chunk := range slices.Chunk(texts, 301) {
		acc = accumulate(t, i, group{key: "k", acc: acc, body: values(chunk...)})[0]
		pieces = append(pieces, accumulate(t, i, group{key: "k", body: values(chunk...)})[0])
	}
	reply, err := i.Merge(call(group{key: "k", body: parts(pieces...)}))
	if err != nil {
		t.Fatal(err)
	}
	if merged := accumulators(t, reply, 1)[0]; !bytes.Equal(acc, whole) || !bytes.Equal(merged, whole) {
		t.Errorf("in one group %x, in pieces %x, merged %x", whole, acc, merged)
	}
	if got := finished(t, i, g, group{key: "k", acc: acc}); got[0] != "k: 0 0 0 3000 1498500 -1000 1999" {
		t.Errorf("finished as %q", got)
	}
	many := make([]group, 1_500)
	for n := range many {
		many[n] = group{key: fmt.Sprint(n), body: values(fmt.Sprint(n))}
	}
	for n, acc := range accumulate(t, i, many...) {
		many[n] = group{key: many[n].key, acc: acc}
	}
	got := finished(t, i, g, many...)
	if len(got) != len(many) || got[1_499] != "1499: 0 0 0 1 1499 1499 1499" {
		t.Errorf("of %d groups, %d were finished", len(many), len(got))
	}
}

// foldRejects: the index counts the records of all groups of a call.
func (s suite) foldRejects(t *testing.T) {
	i, g := s.open(t, settings{})
	accs := accumulate(t, i, group{key: "a", body: values("1", "reject")}, group{key: "b", body: values("reject")}, group{key: "c", body: values("2", "3", "reject")})
	var at []int
	for _, r := range g.rejected {
		at = append(at, r.Index)
	}
	if !slices.Equal(at, []int{1, 2, 5}) || g.rejected[0].Reason != "no number" {
		t.Errorf("rejected %+v", g.rejected)
	}
	if got := finished(t, i, g, group{key: "a", acc: accs[0]}, group{key: "c", acc: accs[2]}); !slices.Equal(got, []string{"a: 0 0 0 1 1 1 1", "c: 0 0 0 2 5 2 3"}) {
		t.Errorf("finished as %q", got)
	}
}

func (s suite) foldFaults(t *testing.T) {
	ask := func(f func(*host.Instance, []byte) ([]byte, error), groups ...group) func(*host.Instance) error {
		return func(i *host.Instance) error {
			_, err := f(i, call(groups...))
			return err
		}
	}
	add, merge := (*host.Instance).Accumulate, (*host.Instance).Merge
	for _, c := range []struct {
		name, want string
		call       func(*host.Instance) error
	}{
		{"fails", "as asked", ask(add, group{body: values("1", "fail")})},
		{"uses state, which its shape does not have", "get: called where no state can be used", ask(add, group{body: values("state")})},
		{"emits where it must not", "emit", ask(add, group{body: values("emit")})},
		{"an accumulator of another form", "", ask(add, group{acc: []byte("another"), body: values("1")})},
		{"accumulators of another form", "", ask(merge, group{body: parts([]byte("x"), []byte("another"))})},
		{"a group that is cut off", "", func(i *host.Instance) error {
			_, err := i.Accumulate(call(group{body: values("1")})[:40])
			return err
		}},
		{"finishes none", "", func(i *host.Instance) error { return i.Finish(call(group{key: "k"})) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			i, _ := s.open(t, settings{})
			if err := c.call(i); !errors.Is(err, fault.ErrGuest) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want a guest fault with %q", err, c.want)
			}
		})
	}
}
