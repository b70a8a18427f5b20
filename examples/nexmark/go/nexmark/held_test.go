package nexmark

import (
	"fmt"
	"slices"
	"testing"
)

func TestHeld(t *testing.T) {
	var h Held[[2]int64, int64]
	flush := func() (all []string) {
		h.Flush(func(key [2]int64, n int64) { all = append(all, fmt.Sprint(key, n)) })
		return all
	}
	if got := flush(); got != nil {
		t.Errorf("nothing is held, and %q comes out", got)
	}
	for _, key := range [][2]int64{{2, 1}, {1, 1}, {2, 1}, {1, 2}, {2, 1}} {
		*h.At(key)++
	}
	if got, want := flush(), []string{"[2 1] 3", "[1 1] 1", "[1 2] 1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	*h.At([2]int64{1, 1})++
	if got, want := flush(), []string{"[1 1] 1"}; !slices.Equal(got, want) {
		t.Errorf("after a flush: got %q, want %q", got, want)
	}
}
