package graph

import (
	"strings"
	"testing"
)

func TestSuggest(t *testing.T) {
	many := strings.Split(strings.Repeat("operator,", 30), ",")
	for _, c := range []struct {
		name  string
		typed string
		there []string
		want  string
	}{
		{"a letter too few", "regin", []string{"source", "region"}, `did you mean "region"?`},
		{"two letters swapped", "regoin", []string{"source", "region"}, `did you mean "region"?`},
		{"another case", "maxparallelism", []string{"parallelism", "maxParallelism"}, `did you mean "maxParallelism"?`},
		{"the closest of several", "outs", []string{"out", "outer", "our"}, `did you mean "out"?`},
		{"short names are not all alike", "xy", []string{"in", "ab"}, "there are: in, ab"},
		{"nothing close: all there are", "window", []string{"in", "out"}, "there are: in, out"},
		{"too many to list", "window", many, ""},
		{"none", "window", nil, "there are none"},
		{"a text that is no name at all", strings.Repeat("x", 100_000), []string{"in"}, "there are: in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Suggest(c.typed, c.there); got != c.want {
				t.Errorf("Suggest(%.20q) = %q, want %q", c.typed, got, c.want)
			}
		})
	}
}
