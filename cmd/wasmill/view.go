package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"

	"github.com/wasmill/wasmill/cluster/coordinator"
	"github.com/wasmill/wasmill/runtime/graph"
)

// Intervals of the live view: redrawn on a terminal, a line now and then elsewhere.
const (
	redrawEvery = 500 * time.Millisecond
	lineEvery   = 5 * time.Second
)

// view shows how a job goes while it runs, on stderr. It is used by the coordinator's
// goroutine.
type view struct {
	plan  *graph.Plan
	out   io.Writer
	table bool // redrawn in place; else a line now and then
	every time.Duration

	last    time.Time
	seconds float64
	totals  map[string]operatorTotals
}

// newView is nil when nothing is to be shown.
func newView(plan *graph.Plan, quiet bool) *view {
	if quiet {
		return nil
	}
	return viewOn(os.Stderr, plan, term.IsTerminal(int(os.Stderr.Fd())))
}

// viewOn redraws a table on a terminal, unless the job reads or writes there itself.
func viewOn(out io.Writer, plan *graph.Plan, terminal bool) *view {
	v := &view{plan: plan, out: out, every: lineEvery, last: time.Now()}
	if terminal && !slices.ContainsFunc(plan.Operators, standard) {
		v.table, v.every = true, redrawEvery
	}
	return v
}

// standard reports whether an operator uses standard input or output.
func standard(o graph.Operator) bool { return o.Connector == "stdin" || o.Connector == "stdout" }

func (v *view) observe(o coordinator.Observation) {
	if v == nil || o.State != coordinator.Running || time.Since(v.last) < v.every {
		return
	}
	now := totals(v.plan, o.Stats, o.Seconds)
	if elapsed := o.Seconds - v.seconds; v.totals != nil && elapsed > 0 {
		v.show(now, elapsed)
	}
	v.last, v.seconds, v.totals = time.Now(), o.Seconds, now
}

func (v *view) show(now map[string]operatorTotals, elapsed float64) {
	if !v.table {
		fmt.Fprintln(v.out, v.line(now, elapsed))
		return
	}
	// The cursor stays above the table, on an empty line: what others print, logs for
	// one, goes there and is never erased; the table is drawn anew below.
	text := "\n" + v.rows(now, elapsed)
	fmt.Fprintf(v.out, "%s%s\x1b[%dA", erase, text, strings.Count(text, "\n"))
}

// erase clears a terminal from the cursor on.
const erase = "\x1b[J"

// rates are what an operator does at the moment. What it takes in counts; a source
// takes nothing in.
func (v *view) rates(name string, now map[string]operatorTotals, elapsed float64) (records, bytes, busy, backPressured float64) {
	a, b := v.totals[name], now[name]
	records, bytes = float64(b.RecordsIn)-float64(a.RecordsIn), float64(b.BytesIn)-float64(a.BytesIn)
	if b.RecordsIn == 0 {
		records, bytes = float64(b.RecordsOut)-float64(a.RecordsOut), float64(b.BytesOut)-float64(a.BytesOut)
	}
	// Shares are of all the time so far; times that, they are seconds.
	busy = b.Busy*(v.seconds+elapsed) - a.Busy*v.seconds
	backPressured = b.BackPressured*(v.seconds+elapsed) - a.BackPressured*v.seconds
	// A new attempt counts from 0 again.
	rate := func(n float64) float64 { return max(0, n/elapsed) }
	return rate(records), rate(bytes), rate(busy), rate(backPressured)
}

// count writes a number with a prefix if it is large: 0.5, 12, 3.4 M.
func count(n float64) string {
	if n < 1 {
		return humanize.FtoaWithDigits(n, 1)
	}
	return strings.TrimSpace(humanize.SIWithDigits(n, 1, ""))
}

func (v *view) line(now map[string]operatorTotals, elapsed float64) string {
	parts := make([]string, 0, len(v.plan.Operators))
	for _, op := range v.plan.Operators {
		records, _, busy, _ := v.rates(op.Name, now, elapsed)
		parts = append(parts, fmt.Sprintf("%s %s/s busy %.0f%%", op.Name, count(records), 100*busy))
	}
	return v.plan.Job + ": " + strings.Join(parts, ", ")
}

func (v *view) rows(now map[string]operatorTotals, elapsed float64) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "operator\trecords/s\tbytes/s\tbusy\tback-pressured\t")
	for _, op := range v.plan.Operators {
		records, bytes, busy, backPressured := v.rates(op.Name, now, elapsed)
		fmt.Fprintf(w, "%s\t%s\t%s\t%.0f%%\t%.0f%%\t\n", op.Name, count(records),
			humanize.IBytes(uint64(bytes)), 100*busy, 100*backPressured)
	}
	w.Flush()
	return text.String()
}

// close takes the table off the terminal.
func (v *view) close() {
	if v != nil && v.table {
		fmt.Fprint(v.out, erase)
	}
}
