// Package trial runs the queries of examples/nexmark, with the built binary and whatever is
// done to it, and compares their rows: on the given events with Flink's, on others (Stream)
// with those of package oracle. It measures nothing. Start with Lab.Run; Queries are which
// there are.
package trial

import "slices"

// Query is a job file of examples/nexmark.
type Query struct {
	Name string // of the job file
	Rows string // whose expected rows it gives
	// Flink is what Flink did of it: thousand events a second and core.
	Flink    float64
	Borrowed bool // Flink's figure is that of another query; this one was not measured
	Go       bool // its operators are Go's, those of the rest C++
	Files    bool // it is about its files: a folder for each day, in it one for each minute

	// fold makes rows of a run comparable where they are not those of the file as they
	// stand; nil: they are.
	fold func(Rows) (Rows, error)
}

// Queries are all of them, with Flink's figures: 2.3, SQL, on two cores, the faster of
// RocksDB and the heap, which docs/nexmark.md says more of. Its q10 and q13 are held
// against q0, its q12 takes the time of processing. Flink SQL can't express q6.
var Queries = withGo([]Query{
	{Name: "q0", Rows: "q0", Flink: 182},
	{Name: "q1", Rows: "q1", Flink: 218},
	{Name: "q2", Rows: "q2", Flink: 225},
	{Name: "q3", Rows: "q3", Flink: 181},
	{Name: "q4", Rows: "q4", Flink: 43},
	{Name: "q5", Rows: "q5", Flink: 65},
	{Name: "q7", Rows: "q7", Flink: 33},
	{Name: "q8", Rows: "q8", Flink: 136},
	{Name: "q9", Rows: "q9", Flink: 27},
	{Name: "q10", Rows: "q0", Flink: 182, Borrowed: true, Files: true},
	{Name: "q11", Rows: "q11", Flink: 73},
	{Name: "q12", Rows: "q12", Flink: 114, Borrowed: true},
	{Name: "q12-proctime", Rows: "q12", Flink: 114, fold: bidsOfBidders},
	{Name: "q13", Rows: "q13", Flink: 182, Borrowed: true},
	{Name: "q14", Rows: "q14", Flink: 155},
	{Name: "q15", Rows: "q15", Flink: 42},
	{Name: "q16", Rows: "q16", Flink: 13},
	{Name: "q17", Rows: "q17", Flink: 103},
	{Name: "q18", Rows: "q18", Flink: 49},
	{Name: "q19", Rows: "q19", Flink: 39},
	{Name: "q20", Rows: "q20", Flink: 37},
	{Name: "q21", Rows: "q21", Flink: 92},
	{Name: "q22", Rows: "q22", Flink: 135},
}, "q0", "q3", "q5", "q7", "q11")

// withGo adds those that there are in Go, too: their rows are the same, and Flink's figure.
func withGo(all []Query, names ...string) []Query {
	for _, q := range all {
		if slices.Contains(names, q.Name) {
			q.Name += "-go"
			q.Go = true
			all = append(all, q)
		}
	}
	return all
}
