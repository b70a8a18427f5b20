package tck

import (
	"fmt"
	"slices"
	"testing"

	"github.com/wasmill/wasmill/runtime/operator"
)

func (s suite) source(t *testing.T) {
	t.Run("describes itself", func(t *testing.T) {
		d := s.module.Description()
		if d.Name != "tck-source" || len(d.Inputs) != 0 || !slices.Equal(d.Outputs, []string{"out"}) {
			t.Errorf("describes itself as %+v", d)
		}
	})
	for _, c := range []struct{ records, max, polls int }{{0, 10, 1}, {1, 10, 1}, {10, 3, 4}, {12, 3, 4}, {5000, 1000, 5}} {
		t.Run(fmt.Sprintf("%d records, %d at a time", c.records, c.max), func(t *testing.T) {
			s.polls(t, c.records, c.max, c.polls)
		})
	}
}

func (s suite) polls(t *testing.T, records, max, polls int) {
	i, g := s.open(t, settings{config: fmt.Sprintf(`{"records": %d}`, records)})
	expect := func(want operator.Status) {
		t.Helper()
		if got, err := i.Poll(max); err != nil || got != want {
			t.Fatalf("poll: %v, %v; want %v", got, err, want)
		}
	}
	expect(operator.Idle)
	for n := range polls {
		before := len(g.lines)
		if n < polls-1 {
			expect(operator.More)
		} else {
			expect(operator.End)
		}
		if given := len(g.lines) - before; given > max {
			t.Errorf("gave out %d records, asked for %d", given, max)
		}
	}
	if err := i.Flush(); err != nil {
		t.Fatalf("flush: %v", err)
	}
	if len(g.lines) != records {
		t.Fatalf("gave out %d records, want %d", len(g.lines), records)
	}
	for n, got := range g.lines {
		if want := fmt.Sprintf(`0 insert %d "%d" "record %d"`, n, n, n); got != want {
			t.Errorf("record %d: %s, want %s", n, got, want)
		}
	}
}
