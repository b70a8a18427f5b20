package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// What stands between these lines of the page is written by this program.
const (
	pageBegin = "<!-- figures -->\n"
	pageEnd   = "<!-- end of figures -->\n"
)

// writePage writes the tables into the page, and leaves the rest of it alone.
func (f *figures) writePage(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	before, rest, begins := strings.Cut(string(text), pageBegin)
	_, after, ends := strings.Cut(rest, pageEnd)
	if !begins || !ends {
		return fmt.Errorf("write page: %s: no lines %q and %q to write between", path, strings.TrimSpace(pageBegin), strings.TrimSpace(pageEnd))
	}
	var tables bytes.Buffer
	if err := f.print(&tables); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(before+pageBegin+tables.String()+pageEnd+after), 0o644); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// print writes all tables, and what is missed.
func (f *figures) print(out io.Writer) error {
	p := &page{f: f}
	p.line("\n%s. %s", f.Machine, f.origin())
	p.paces()
	p.latencies()
	p.memory()
	p.checks()
	p.missed()
	_, err := out.Write(p.text.Bytes())
	return err
}

// page is the text so far, and what falls short.
type page struct {
	f     *figures
	text  bytes.Buffer
	short []string
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(&p.text, format+"\n", args...) }

// table writes what has rows.
func (p *page) table(head string, rows []string) {
	if len(rows) == 0 {
		return
	}
	p.line("\n| %s |\n|%s", head, strings.Repeat("---|", 1+strings.Count(head, "|")))
	for _, row := range rows {
		p.line("| %s |", row)
	}
}

// judged writes a figure, in bold if its bar is missed.
func (p *page) judged(met bool, what, figure, bar string) string {
	if met {
		return figure
	}
	p.short = append(p.short, fmt.Sprintf("%s: %s, the bar is %s", what, figure, bar))
	return "**" + figure + "**"
}

func (p *page) paces() {
	if g := p.f.Generator; g != nil {
		perCore := p.judged(g.perCPUSecond() >= generatorBar, "generator", millions(g.perCPUSecond()), millions(generatorBar)+" events/s per core")
		p.line("\nThe generator alone makes %s events/s, %s per core; the bar is %s.", millions(g.perSecond()), perCore, millions(generatorBar))
	}
	var rows []string
	for _, q := range trial.Queries {
		f := p.f.of(q)
		if f.Pace == nil && f.Workers == nil {
			continue
		}
		flink := fmt.Sprintf("%.0f", q.Flink)
		if q.Borrowed {
			flink = "(" + flink + ")"
		}
		rows = append(rows, fmt.Sprintf("%s | %s | %s | %s", q.Name, flink, p.pace(q, f.Pace), p.workers(q, f.Workers)))
	}
	p.table("query | Flink | k events/s | k per core | × Flink | bar | generator | checkpoint | peak | over NATS, k per core | × Flink | bar", rows)
	p.note("pace", p.f.pacesTaken())
	p.mean("in one process", meanBar, func(f *queryFigures) *paced { return f.Pace })
	p.mean("over NATS", 0, func(f *queryFigures) *paced { return f.Workers })
}

// pace is the columns of one process.
func (p *page) pace(q trial.Query, m *paced) string {
	if m == nil {
		return strings.TrimSuffix(strings.Repeat(" | ", 6), " ")
	}
	checkpoint := ""
	if s, any := m.checkpointSeconds(); any {
		checkpoint = fmt.Sprintf("%.2g s", s)
	}
	share := ""
	if s := p.f.generatorShare(m); s > 0 {
		share = fmt.Sprintf("%.0f %%", 100*s)
	}
	return fmt.Sprintf("%s | %s | %s | %.0f | %s | %s | %.0f MiB", thousands(m.perSecond()), thousands(m.perCPUSecond()),
		p.times(q, m, barOf(q), q.Name), barOf(q), share, checkpoint, m.peakBytes()/(1<<20))
}

func (p *page) workers(q trial.Query, m *paced) string {
	if m == nil {
		return " | | "
	}
	return fmt.Sprintf("%s | %s | %.1f", thousands(m.perCPUSecond()), p.times(q, m, workersBar, q.Name+" over NATS"), float64(workersBar))
}

func (p *page) times(q trial.Query, m *paced, bar float64, what string) string {
	r := ratio(q, m)
	return p.judged(r >= bar, what, fmt.Sprintf("%.1f", r), fmt.Sprintf("%g × Flink", bar))
}

// mean writes the geometric mean, which has a bar only when all queries are in it.
func (p *page) mean(how string, bar float64, pace func(*queryFigures) *paced) {
	mean, n := p.f.mean(pace)
	if n == 0 {
		return
	}
	text, of := fmt.Sprintf("%.1f", mean), fmt.Sprint(n)
	if all := len(inFlink()); n < all {
		of += fmt.Sprintf(" of the %d", all)
	} else if bar > 0 {
		text = p.judged(mean >= bar, "geometric mean "+how, text, fmt.Sprintf("%g × Flink", bar))
	}
	p.line("\nGeometric mean %s, of %s queries that were measured in Flink: %s × Flink.", how, of, text)
}

func (p *page) latencies() {
	var rows []string
	for _, name := range latencyQueries {
		if f := p.f.Queries[name]; f != nil && (f.Latency != nil || f.WorkersLatency != nil) {
			rows = append(rows, fmt.Sprintf("%s | %s | %s", name, p.latency(name, f.Latency), p.latency("", f.WorkersLatency)))
		}
	}
	p.table("query | events/s | p50 | p99 | rows | over NATS, events/s | p50 | p99 | rows", rows)
	p.note("latency", p.f.latenciesTaken())
}

// latency is its four columns; there is a bar if it has a name.
func (p *page) latency(name string, l *latency) string {
	if l == nil {
		return " | | | "
	}
	p99 := fmt.Sprintf("%.1f ms", l.p99())
	if n := l.leastRows(); n < fewRows {
		p99 += fmt.Sprintf(", max of %d rows", n)
	}
	if name != "" {
		p99 = p.judged(l.p99() <= latencyBar, "p99 latency of "+name, p99, fmt.Sprintf("%d ms", latencyBar))
	}
	return fmt.Sprintf("%s k | %.1f ms | %s | %d", thousands(float64(l.Rate)), l.median(func(r percentiles) float64 { return r.P50 }), p99,
		int(l.median(func(r percentiles) float64 { return float64(r.Rows) })))
}

func (p *page) memory() {
	var rows []string
	for _, name := range memoryQueries {
		for _, b := range backends {
			if f := p.f.Queries[name]; f != nil && f.Memory[b.name] != nil {
				m := f.Memory[b.name]
				bytes := m.greatestPeak()
				peak := p.judged(bytes <= b.bar, fmt.Sprintf("memory of %s with %s", name, b.name), gib(bytes), gib(b.bar))
				rows = append(rows, fmt.Sprintf("%s | %s | %.0f M | %s | %s | %s", name, b.name, float64(m.leastEvents())/1e6, peak, gib(b.bar), thousands(m.perCPUSecond())))
			}
		}
	}
	p.table("query | backend | events | peak memory | bar | k per core", rows)
	p.note("memory", p.f.memoriesTaken())
}

func (p *page) checks() {
	right, all, queries := 0, 0, 0
	for _, q := range trial.Queries {
		if c := p.f.of(q).Check; c != nil {
			queries++
			all += c.Trials
			right += c.Trials - len(c.Failures)
			p.short = append(p.short, c.Failures...)
		}
	}
	if queries > 0 {
		p.line("\nOf %d runs of %d queries, %d gave the right rows.", all, queries, right)
	}
}

func (p *page) missed() {
	missing := p.f.missing()
	switch {
	case len(p.short) > 0:
		p.line("\nMissed:\n\n- %s", strings.Join(p.short, "\n- "))
	case len(missing) > 0:
		p.line("\nWhat was measured misses no bar.")
	default:
		p.line("\nEvery bar is met.")
	}
	if len(missing) > 0 {
		p.line("\nNot measured:\n\n- %s", strings.Join(missing, "\n- "))
	}
	p.line("")
}

func millions(v float64) string { return fmt.Sprintf("%.2f M", v/1e6) }

func gib(bytes float64) string { return fmt.Sprintf("%.2f GiB", bytes/(1<<30)) }

// thousands writes a figure in thousands: with a digit behind the point if it is small.
func thousands(v float64) string {
	if v < 100e3 {
		return fmt.Sprintf("%.1f", v/1e3)
	}
	return fmt.Sprintf("%.0f", v/1e3)
}
