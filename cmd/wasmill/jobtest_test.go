package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/record"
)

// The tests of the examples pass.
func TestExampleTests(t *testing.T) { testFiles(t, "../../examples/*/*.test.yaml") }

// What follows the clock follows that of the test.
func TestVirtualTime(t *testing.T) { testFiles(t, "testdata/jobtests/*.test.yaml") }

func testFiles(t *testing.T, glob string) {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	if code := execute(t.Context(), append([]string{"test"}, files...)); code != exitDone {
		t.Errorf("exit code %d", code)
	}
}

func values(texts ...string) (all []record.Record) {
	for _, text := range texts {
		r := record.Record{Kind: record.KeyAbsent, Timestamp: record.NoTimestamp, Value: []byte(text)}
		if key, ok := map[string]string{"a1": "a", "a2": "a"}[text]; ok {
			r.Kind, r.Key = record.Insert, []byte(key)
		}
		all = append(all, r)
	}
	return all
}

func patterns(texts ...string) (all []rowPattern) {
	for _, text := range texts {
		switch text {
		case "*":
			all = append(all, rowPattern{})
		case "a*":
			all = append(all, rowPattern{keyed: true, key: []byte("a")})
		default:
			all = append(all, rowPattern{valued: true, value: []byte(text)})
		}
	}
	return all
}

func TestRowsArePaired(t *testing.T) {
	for name, c := range map[string]struct {
		want, got         []string
		ordered, anyOrder int // pairs
	}{
		"nothing":            {nil, nil, 0, 0},
		"the same":           {[]string{"x", "y"}, []string{"x", "y"}, 2, 2},
		"turned":             {[]string{"x", "y"}, []string{"y", "x"}, 1, 2},
		"one between":        {[]string{"x", "y"}, []string{"x", "z", "y"}, 2, 2},
		"one is missing":     {[]string{"x", "z", "y"}, []string{"x", "y"}, 2, 2},
		"twice is not once":  {[]string{"x"}, []string{"x", "x"}, 1, 1},
		"few fields":         {[]string{"*", "a*", "a1"}, []string{"a1", "a2", "x"}, 2, 3},
		"the longest series": {[]string{"y", "x", "z", "q"}, []string{"x", "z", "q", "y"}, 3, 4},
	} {
		t.Run(name, func(t *testing.T) {
			want, got := patterns(c.want...), values(c.got...)
			count := func(pairs []int, ordered bool) (n int) {
				seen, last := map[int]bool{}, -1
				for i, j := range pairs {
					if j < 0 {
						continue
					}
					if seen[j] || !want[i].matches(&got[j]) || ordered && j <= last {
						t.Errorf("row %d is paired with %d: %v", i, j, pairs)
					}
					seen[j], last = true, j
					n++
				}
				return n
			}
			if n := count(inOrder(want, got), true); n != c.ordered {
				t.Errorf("%d pairs in order, want %d", n, c.ordered)
			}
			if n := count(anyhow(want, got), false); n != c.anyOrder {
				t.Errorf("%d pairs in any order, want %d", n, c.anyOrder)
			}
		})
	}
}

func TestSameJSON(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`{"a":1,"b":[true,null]}`, `{"b":[true,null],"a":1.0}`, true},
		{`100`, `1e2`, true},
		{`9007199254740993`, `9007199254740992`, false},
		{`1e999999999`, `1e999999998`, false},
		{`"1"`, `1`, false},
		{`[1,2]`, `[2,1]`, false},
		{`[1]`, `[1,1]`, false},
		{`{"a":null}`, `{}`, false},
		{`1`, `1 1`, false},
		{`1`, `x`, false},
	} {
		if got := sameJSON([]byte(c.a), []byte(c.b)); got != c.want {
			t.Errorf("%s and %s: %t", c.a, c.b, got)
		}
	}
}

func TestVirtualClock(t *testing.T) {
	start := time.UnixMilli(1000).UTC()
	c := newVirtualClock(start)
	rung := func(ch <-chan time.Time) bool {
		select {
		case <-ch:
			return true
		default:
			return false
		}
	}
	if !rung(c.After(start)) || !rung(c.After(start.Add(-time.Hour))) {
		t.Error("what is due waits")
	}
	late, soon := c.After(start.Add(time.Hour)), c.After(start.Add(time.Second))
	if next := c.Next(start.Add(time.Minute)); !next.Equal(start.Add(time.Second)) {
		t.Errorf("next is %s", next)
	}
	c.Set(start.Add(time.Second))
	if !rung(soon) || rung(late) || !c.Now().Equal(start.Add(time.Second)) {
		t.Error("the clock went to the first alarm and woke others")
	}
	if next := c.Next(start.Add(time.Minute)); !next.Equal(start.Add(time.Minute)) {
		t.Errorf("nothing is due, and next is %s", next)
	}
}
