package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// origin says when all figures were taken, and of which revisions.
func (f *figures) origin() string {
	all := f.allTaken()
	if len(all) == 0 {
		return ""
	}
	slices.SortStableFunc(all, func(a, b taken) int { return a.At.Compare(b.At) })
	const minute = "2006-01-02 15:04"
	between := fmt.Sprintf("Measured between %s and %s UTC", all[0].At.UTC().Format(minute), all[len(all)-1].At.UTC().Format(minute))
	var revisions []string
	figures := map[string]int{}
	for _, t := range all {
		r := cmp.Or(t.Revision, "an unknown one")
		if figures[r]++; figures[r] == 1 {
			revisions = append(revisions, r)
		}
	}
	if len(revisions) == 1 {
		if all[0].Revision == "" {
			return between + "."
		}
		return between + ", of revision " + revisions[0] + "."
	}
	for i, r := range revisions {
		revisions[i] = fmt.Sprintf("%d of %s", figures[r], r)
	}
	return between + ", **of different revisions**: figures are " + strings.Join(revisions, ", ") + "."
}

func (f *figures) allTaken() (all []taken) {
	for _, t := range [][]taken{f.pacesTaken().taken, f.latenciesTaken().taken, f.memoriesTaken().taken} {
		all = append(all, t...)
	}
	for _, q := range f.Queries {
		if q.Check != nil {
			all = append(all, taken{At: q.Check.At, Revision: q.CheckRevision})
		}
	}
	return all
}

// method is how the figures of a table were taken.
type method struct {
	taken   []taken
	runs    []float64 // of each
	seconds []float64 // that each run took
	more    []string
}

func (m *method) add(t taken, runs int) {
	m.taken = append(m.taken, t)
	m.runs = append(m.runs, float64(runs))
}

func (m *method) addPaced(p *paced) {
	if p == nil {
		return
	}
	m.add(p.taken, len(p.Runs))
	for _, r := range p.Runs {
		m.seconds = append(m.seconds, r.Seconds)
	}
}

// note says under a table how its figures were taken, where that may differ from what
// the page describes.
func (p *page) note(what string, m method) {
	if len(m.taken) == 0 {
		return
	}
	text := fmt.Sprintf("Runs of each %s: %s", what, span(m.runs))
	if len(m.seconds) > 0 {
		text += fmt.Sprintf(", the shortest of %.3g s", slices.Min(m.seconds))
	}
	var every []float64
	for _, t := range m.taken {
		if t.CheckpointEvery > 0 {
			every = append(every, t.CheckpointEvery)
		}
	}
	if len(every) > 0 {
		text += fmt.Sprintf("; a checkpoint every %s s", span(every))
	}
	p.line("\n%s.", strings.Join(append([]string{text}, m.more...), "; "))
}

// span writes what values are between.
func span(values []float64) string {
	low, high := slices.Min(values), slices.Max(values)
	if low == high {
		return fmt.Sprintf("%.3g", low)
	}
	return fmt.Sprintf("%.3g to %.3g", low, high)
}

func (f *figures) pacesTaken() (m method) {
	m.addPaced(f.Generator)
	for _, q := range trial.Queries {
		m.addPaced(f.of(q).Pace)
		m.addPaced(f.of(q).Workers)
	}
	return m
}

func (f *figures) latenciesTaken() (m method) {
	var waits []string
	for _, name := range latencyQueries {
		q := f.Queries[name]
		if q == nil {
			continue
		}
		for _, l := range []*latency{q.Latency, q.WorkersLatency} {
			if l != nil {
				m.add(l.taken, len(l.Runs))
			}
		}
		if q.Latency != nil && q.Latency.BufferTimeout != "" {
			waits = append(waits, name+" "+q.Latency.BufferTimeout)
		}
	}
	if len(waits) > 0 {
		m.more = []string{"`bufferTimeout`: " + strings.Join(waits, ", ")}
	}
	return m
}

func (f *figures) memoriesTaken() (m method) {
	for _, name := range memoryQueries {
		if q := f.Queries[name]; q != nil {
			for _, backend := range slices.Sorted(maps.Keys(q.Memory)) {
				m.add(q.Memory[backend].taken, len(q.Memory[backend].Runs))
			}
		}
	}
	return m
}

// missing are the figures that have a bar and are not there.
func (f *figures) missing() (all []string) {
	if f.Generator == nil {
		all = append(all, "generator")
	}
	var names []string
	for _, q := range trial.Queries {
		names = append(names, q.Name)
	}
	need := func(what string, names []string, has func(*queryFigures) bool) {
		var there, without []string
		for _, name := range names {
			if q := f.Queries[name]; q != nil && has(q) {
				there = append(there, name)
			} else {
				without = append(without, name)
			}
		}
		switch {
		case len(without) == 0:
		case len(there) == 0:
			all = append(all, what+": all")
		case len(there) < len(without):
			all = append(all, what+": all but "+strings.Join(there, ", "))
		default:
			all = append(all, what+": "+strings.Join(without, ", "))
		}
	}
	need("check", names, func(q *queryFigures) bool { return q.Check != nil })
	need("pace", names, func(q *queryFigures) bool { return q.Pace != nil })
	need("pace over NATS", names, func(q *queryFigures) bool { return q.Workers != nil })
	need("latency", latencyQueries, func(q *queryFigures) bool { return q.Latency != nil })
	for _, b := range backends {
		need(fmt.Sprintf("memory over %d M events, backend %s", memoryBarEvents/1_000_000, b.name), memoryQueries, func(q *queryFigures) bool {
			return q.Memory[b.name] != nil && q.Memory[b.name].leastEvents() >= memoryBarEvents
		})
	}
	return all
}
