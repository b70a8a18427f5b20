package main

import (
	"fmt"
	"slices"

	"github.com/wasmill/wasmill/runtime/record"
)

// difference is how what came to a sink is not what was expected.
type difference struct {
	Place    string   `json:"place"` // of the expectation
	Sink     string   `json:"sink"`
	Expected []string `json:"expected"`
	Got      []string `json:"got"`
	Lines    []string `json:"-"` // both, those that are missing with -, the others with +
}

// compare looks at what came to a sink since the last time.
func (r *rehearsal) compare(x *expectation) {
	came := r.stage.came(x.sink)
	var pairs []int
	if r.ordered && !x.unordered {
		pairs = inOrder(x.rows, came)
	} else {
		pairs = anyhow(x.rows, came)
	}
	d := difference{Place: x.place, Sink: x.sink, Expected: []string{}, Got: []string{}, Lines: pairUp(x.rows, came, pairs)}
	if len(x.rows) == len(came) && !slices.Contains(pairs, -1) {
		return
	}
	for i := range x.rows {
		d.Expected = append(d.Expected, x.rows[i].String())
	}
	for i := range came {
		d.Got = append(d.Got, rowString(&came[i]))
	}
	r.diffs = append(r.diffs, d)
}

// maxAligned bounds the table of inOrder; beyond, rows are compared place by place.
const maxAligned = 4 << 20

// inOrder pairs the expected rows with those that came, keeping the order, as many as
// can be: the longest common subsequence. -1 is a row that did not come.
func inOrder(want []rowPattern, got []record.Record) []int {
	pairs := make([]int, len(want))
	if len(want)*len(got) > maxAligned {
		for i := range pairs {
			if pairs[i] = -1; i < len(got) && want[i].matches(&got[i]) {
				pairs[i] = i
			}
		}
		return pairs
	}
	width := len(got) + 1
	most := make([]int32, (len(want)+1)*width) // pairs behind row i and j
	for i := len(want) - 1; i >= 0; i-- {
		for j := len(got) - 1; j >= 0; j-- {
			best := max(most[(i+1)*width+j], most[i*width+j+1])
			if want[i].matches(&got[j]) {
				best = max(best, most[(i+1)*width+j+1]+1)
			}
			most[i*width+j] = best
		}
	}
	j := 0
	for i := range want {
		for pairs[i] = -1; j < len(got) && most[i*width+j] > most[(i+1)*width+j]; j++ {
			if want[i].matches(&got[j]) && most[i*width+j] == most[(i+1)*width+j+1]+1 {
				pairs[i] = j
				j++
				break
			}
		}
	}
	return pairs
}

// anyhow pairs rows in any order, as many as can be: a pattern of few fields leaves a
// row to one that only that row fits.
func anyhow(want []rowPattern, got []record.Record) []int {
	taken := make([]int, len(got)) // by which row
	for j := range taken {
		taken[j] = -1
	}
	var seek func(i int, seen []bool) bool
	seek = func(i int, seen []bool) bool {
		for j := range got {
			if seen[j] || !want[i].matches(&got[j]) {
				continue
			}
			seen[j] = true
			if taken[j] < 0 || seek(taken[j], seen) {
				taken[j] = i
				return true
			}
		}
		return false
	}
	pairs := make([]int, len(want))
	for i := range want {
		pairs[i] = -1
		seek(i, make([]bool, len(got)))
	}
	for j, i := range taken {
		if i >= 0 {
			pairs[i] = j
		}
	}
	return pairs
}

// pairUp writes a difference line by line. Rows that are as expected are counted.
func pairUp(want []rowPattern, got []record.Record, pairs []int) (lines []string) {
	same := 0
	flush := func() {
		if same > 0 {
			lines = append(lines, fmt.Sprintf("  (%d as expected)", same))
		}
		same = 0
	}
	paired := make([]bool, len(got))
	for _, j := range pairs {
		if j >= 0 {
			paired[j] = true
		}
	}
	next := 0
	extra := func(until int) {
		for ; next < until; next++ {
			if !paired[next] {
				flush()
				lines = append(lines, "+ "+rowString(&got[next]))
			}
		}
	}
	for i, j := range pairs {
		if j < 0 {
			flush()
			lines = append(lines, "- "+want[i].String())
			continue
		}
		extra(j)
		same++
	}
	extra(len(got))
	flush()
	return lines
}
