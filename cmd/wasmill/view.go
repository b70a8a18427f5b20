package main

import (
	"fmt"
	"io"
	"os"
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
	plan     *graph.Plan
	out      io.Writer
	terminal bool
	every    time.Duration
	drawn    int // lines on the terminal that are the view's

	last    time.Time
	seconds float64
	totals  map[string]operatorTotals
}

// newView is nil when nothing is to be shown.
func newView(plan *graph.Plan, quiet bool) *view {
	if quiet {
		return nil
	}
	v := &view{plan: plan, out: os.Stderr, every: lineEvery, last: time.Now()}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		v.terminal, v.every = true, redrawEvery
	}
	return v
}

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
	if !v.terminal {
		fmt.Fprintln(v.out, v.line(now, elapsed))
		return
	}
	text := v.table(now, elapsed)
	v.erase()
	fmt.Fprint(v.out, text)
	v.drawn = strings.Count(text, "\n")
}

// rates are what an operator does at the moment. What it takes in counts; a source
// takes nothing in.
func (v *view) rates(name string, now map[string]operatorTotals, elapsed float64) (records, bytes, busy, backPressured float64) {
	a, b := v.totals[name], now[name]
	records, bytes = float64(b.RecordsIn-a.RecordsIn), float64(b.BytesIn-a.BytesIn)
	if b.RecordsIn == 0 {
		records, bytes = float64(b.RecordsOut-a.RecordsOut), float64(b.BytesOut-a.BytesOut)
	}
	// Shares are of all the time so far; times that, they are seconds.
	busy = b.Busy*(v.seconds+elapsed) - a.Busy*v.seconds
	backPressured = b.BackPressured*(v.seconds+elapsed) - a.BackPressured*v.seconds
	return records / elapsed, bytes / elapsed, busy / elapsed, backPressured / elapsed
}

func (v *view) line(now map[string]operatorTotals, elapsed float64) string {
	parts := make([]string, 0, len(v.plan.Operators))
	for _, op := range v.plan.Operators {
		records, _, busy, _ := v.rates(op.Name, now, elapsed)
		parts = append(parts, fmt.Sprintf("%s %s/s busy %.0f%%", op.Name, humanize.SIWithDigits(records, 1, ""), 100*busy))
	}
	return v.plan.Job + ": " + strings.Join(parts, ", ")
}

func (v *view) table(now map[string]operatorTotals, elapsed float64) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "operator\trecords/s\tbytes/s\tbusy\tback-pressured\t")
	for _, op := range v.plan.Operators {
		records, bytes, busy, backPressured := v.rates(op.Name, now, elapsed)
		fmt.Fprintf(w, "%s\t%s\t%s\t%.0f%%\t%.0f%%\t\n", op.Name, humanize.SIWithDigits(records, 1, ""),
			humanize.IBytes(uint64(bytes)), 100*busy, 100*backPressured)
	}
	w.Flush()
	return text.String()
}

// erase takes the view off the terminal.
func (v *view) erase() {
	if v.drawn > 0 {
		fmt.Fprintf(v.out, "\x1b[%dA\x1b[J", v.drawn)
		v.drawn = 0
	}
}

func (v *view) close() {
	if v != nil && v.terminal {
		v.erase()
	}
}
