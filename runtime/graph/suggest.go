package graph

import (
	"fmt"
	"strings"
)

// quote shows a text of the author's in a message: on one line, and not all of it if
// it is long.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(s[:most], ""))
	}
	return fmt.Sprintf("%q", s)
}

// Suggest is the hint for a name that is not among those there are: the one that was
// probably meant, else all of them.
func Suggest(name string, there []string) string {
	best, distance := "", 1+max(1, len(name)/3)
	for _, candidate := range there {
		if d := editDistance(name, candidate, distance); d < distance {
			best, distance = candidate, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %q?", best)
	case len(there) == 0:
		return "there are none"
	case len(there) > 20:
		return ""
	}
	return "there are: " + strings.Join(there, ", ")
}

// editDistance counts insertions, deletions, substitutions and swaps of neighbours
// that turn a into b; limit stands for anything not below it.
func editDistance(a, b string, limit int) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return limit
	}
	a, b = strings.ToLower(a), strings.ToLower(b)
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}
