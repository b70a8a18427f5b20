package tck

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/sdk/abi"
)

// appliedTables are the tables of the apply guest.
var appliedTables = []state.Table{{Name: "applied", Scope: state.ScopeKey}}

func (s suite) apply(t *testing.T) {
	t.Run("describes itself", func(t *testing.T) {
		d := s.module.Description()
		if d.Name != "tck-apply" || !slices.Equal(d.Tables, []abi.Table{{Name: "applied", Scope: abi.ScopeKey}}) ||
			!slices.Equal(d.Inputs, []string{"left", "right"}) || !slices.Equal(d.Outputs, []string{"out"}) {
			t.Errorf("describes itself as %+v", d)
		}
	})
	t.Run("groups", s.groups)
	t.Run("faults", s.applyFaults)
	t.Run("windows", s.applyWindows)
}

// groups: a window is what comes until a group says that no more do, in one call or many.
func (s suite) groups(t *testing.T) {
	long := strings.Repeat("x", 1000)
	many := slices.Repeat([]string{long}, 400)
	for _, c := range []struct {
		name  string
		calls [][]group
		want  []string
	}{
		{"one input", [][]group{{{key: "a", body: values("1", "2"), start: 5, end: 9, firing: 2}}}, []string{"a: 0 1", "a: 0 2", "a: 5 9 2: 2 0 1"}},
		{"the other input", [][]group{{{key: "a", body: values("1"), input: 1}}}, []string{"a: 1 1", "a: 0 0 0: 0 1 1"}},
		{"both inputs", [][]group{{{key: "a", body: values("1"), more: true}, {key: "a", body: values("2"), input: 1}}},
			[]string{"a: 0 1", "a: 1 2", "a: 0 0 0: 1 1 1"}},
		{"several windows of a call", [][]group{{
			{key: "a", body: values("1"), end: 10}, {key: "b", body: values("2"), end: 10}, {key: "a", body: values("3"), end: 20},
		}}, []string{"a: 0 1", "a: 0 10 0: 1 0 1", "b: 0 2", "b: 0 10 0: 1 0 1", "a: 0 3", "a: 0 20 0: 1 0 2"}},
		{"several windows of both inputs", [][]group{{
			{key: "first", body: values("1"), more: true}, {key: "first", body: values("2"), input: 1},
			{key: "other", body: values("3"), more: true}, {key: "other", body: values("4"), input: 1},
			{key: "first", body: values("5"), more: true}, {key: "first", body: values("6"), input: 1},
		}, {{key: "first", body: values("7")}, {key: "other", body: values("8")}}},
			[]string{"first: 0 1", "first: 1 2", "first: 0 0 0: 1 1 1", "other: 0 3", "other: 1 4", "other: 0 0 0: 1 1 1",
				"first: 0 5", "first: 1 6", "first: 0 0 0: 1 1 2", "first: 0 7", "first: 0 0 0: 1 0 3", "other: 0 8", "other: 0 0 0: 1 0 2"}},
		{"a window over several calls", [][]group{
			{{key: "z", body: values("0")}, {key: "a", body: values("1"), more: true, start: 1, end: 2}},
			{{key: "a", body: values("2"), more: true, start: 1, end: 2}},
			{{key: "a", body: values("3"), start: 1, end: 2, input: 1}, {key: "b", body: values("4"), input: 1}},
		}, []string{"z: 0 0", "z: 0 0 0: 1 0 1", "a: 0 1", "a: 0 2", "a: 1 3", "a: 1 2 0: 2 1 1", "b: 1 4", "b: 0 0 0: 0 1 1"}},
		{"a window of megabytes", [][]group{
			{{key: "a", body: values(many...), more: true}}, {{key: "a", body: values(many...), more: true}}, {{key: "a", body: values(many...), input: 1}},
			{{key: "a", body: values("small")}},
		}, []string{"a: 0 0 0: 800 400 1", "a: 0 small", "a: 0 0 0: 1 0 2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := s.startWindows(t, windowed{}, nil)
			for _, groups := range c.calls {
				e.must(e.instance.Apply(call(groups...)))
			}
			if got := e.said(); !slices.Equal(got, c.want) {
				t.Errorf("gave out\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
			}
		})
	}
}

func (s suite) applyFaults(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"fails", "fail", "as asked"},
		{"sets a timer, which windows have none of", "timer", "there are no timers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := s.startWindows(t, windowed{}, nil)
			err := e.instance.Apply(call(group{key: "a", body: values("1", c.value)}))
			if !errors.Is(err, fault.ErrGuest) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want a guest fault with %q", err, c.want)
			}
		})
	}
}
