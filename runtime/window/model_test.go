package window_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/window"
)

// model is what windows mean, word for word: every window of every key is kept apart,
// and every record is put into all of its windows.
type model struct {
	w         graph.Window
	apply     bool
	watermark int64
	tick      int64
	open      []*modelWindow
	results   []string
	late      []string
}

type modelWindow struct {
	key         string
	start, end  int64
	values      []string
	fired       bool
	dirty       bool
	sinceFiring int64
}

func (m *model) lateness() int64 { return m.w.Lateness.Milliseconds() }

func (m *model) over(end, lateness int64) bool {
	if m.w.Kind != graph.Session {
		end-- // who comes just at the end of a session is part of it
	}
	return m.watermark == math.MaxInt64 || m.watermark != math.MinInt64 && end+lateness <= m.watermark
}

func (m *model) emit(w *modelWindow, firing string) {
	m.results = append(m.results, fmt.Sprintf("%s [%d,%d) %s: %s", w.key, w.start, w.end, firing, sorted(strings.Join(w.values, " "))))
}

func (m *model) text(e event) string {
	if m.apply {
		return fmt.Sprintf("%d:%s", e.input, e.value)
	}
	return e.value
}

// spans are the windows of a timestamp.
func (m *model) spans(t int64) (out [][2]int64) {
	if m.w.Kind == graph.Global {
		return [][2]int64{{math.MinInt64, math.MaxInt64}}
	}
	size, every, offset := m.w.Size.Milliseconds(), m.w.Every.Milliseconds(), m.w.Offset.Milliseconds()
	if m.w.Kind == graph.Tumbling {
		every = size
	}
	for start := t - size + 1; start <= t; start++ {
		if ((start-offset)%every+every)%every == 0 {
			out = append(out, [2]int64{start, start + size})
		}
	}
	return out
}

func (m *model) record(e event) {
	if m.w.Kind == graph.Session {
		m.sessionRecord(e)
		return
	}
	spans := m.spans(e.time)
	taken := len(spans) == 0
	for _, s := range spans {
		if m.over(s[1], m.lateness()) && m.w.Kind != graph.Global {
			continue
		}
		taken = true
		i := slices.IndexFunc(m.open, func(w *modelWindow) bool { return w.key == e.key && w.start == s[0] })
		if i < 0 {
			i = len(m.open)
			m.open = append(m.open, &modelWindow{key: e.key, start: s[0], end: s[1]})
		}
		w := m.open[i]
		w.values = append(w.values, m.text(e))
		w.dirty = true
		w.sinceFiring++
		due := m.w.Kind != graph.Global && m.over(s[1], 0)
		if due {
			w.fired = true
			m.emit(w, "late")
		}
		if n := m.w.Trigger.Count; n > 0 && w.sinceFiring >= n {
			if !due {
				m.emit(w, "early")
			}
			w.sinceFiring, w.dirty = 0, false
			m.purge(w)
		}
	}
	if !taken {
		m.late = append(m.late, e.value)
	}
}

func (m *model) purge(w *modelWindow) {
	if m.w.Trigger.Purge {
		w.values = nil
		m.open = slices.DeleteFunc(m.open, func(o *modelWindow) bool { return o == w })
	}
}

func (m *model) sessionRecord(e event) {
	n := &modelWindow{key: e.key, start: e.time, end: e.time + m.w.Gap.Milliseconds(), dirty: true}
	rest := make([]*modelWindow, 0, len(m.open))
	for _, w := range m.open {
		if w.key != e.key || w.end < e.time || w.start > e.time+m.w.Gap.Milliseconds() {
			rest = append(rest, w)
			continue
		}
		n.start, n.end = min(n.start, w.start), max(n.end, w.end)
		n.values = append(n.values, w.values...)
	}
	if m.over(n.end, m.lateness()) {
		m.late = append(m.late, e.value)
		return
	}
	n.values = append(n.values, m.text(e))
	m.open = append(rest, n)
	if m.over(n.end, 0) {
		n.fired, n.dirty = true, false
		m.emit(n, "late")
	}
}

func (m *model) advance(watermark int64) {
	if watermark <= m.watermark {
		return
	}
	first := m.watermark == math.MinInt64
	m.watermark = watermark
	slices.SortStableFunc(m.open, func(a, b *modelWindow) int {
		return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(groupOf(a.key), groupOf(b.key)), cmp.Compare(a.key, b.key))
	})
	for _, w := range m.open {
		if !w.fired && m.over(w.end, 0) {
			w.fired, w.dirty = true, false
			m.emit(w, "on time")
		}
	}
	m.open = slices.DeleteFunc(m.open, func(w *modelWindow) bool { return m.over(w.end, m.lateness()) })
	every := m.w.Trigger.Every.Milliseconds()
	if every == 0 || watermark == math.MaxInt64 {
		return
	}
	tick := int64(math.Floor(float64(watermark) / float64(every)))
	if tick <= m.tick {
		return
	}
	m.tick = tick
	if !first {
		m.early()
	}
}

func (m *model) early() {
	if m.w.Kind == graph.Session {
		slices.SortStableFunc(m.open, func(a, b *modelWindow) int {
			return cmp.Or(cmp.Compare(groupOf(a.key), groupOf(b.key)), cmp.Compare(a.key, b.key), cmp.Compare(a.start, b.start))
		})
	}
	for _, w := range slices.Clone(m.open) {
		if w.dirty && !w.fired {
			m.emit(w, "early")
			m.purge(w)
		}
		w.dirty, w.sinceFiring = false, 0
	}
}

// windowsOfTest are the windows that random records are played against.
var windowsOfTest = map[string]graph.Window{
	"tumbling":                {Kind: graph.Tumbling, Size: ms(10), Lateness: 0},
	"tumbling, short":         {Kind: graph.Tumbling, Size: ms(1), Lateness: ms(4)},
	"tumbling, late":          {Kind: graph.Tumbling, Size: ms(10), Lateness: ms(15), Offset: ms(3)},
	"tumbling, early":         {Kind: graph.Tumbling, Size: ms(20), Lateness: ms(7), Trigger: graph.Trigger{Every: ms(6)}},
	"tumbling, every third":   {Kind: graph.Tumbling, Size: ms(20), Lateness: ms(9), Trigger: graph.Trigger{Count: 3}},
	"sliding":                 {Kind: graph.Sliding, Size: ms(12), Every: ms(4)},
	"sliding, late":           {Kind: graph.Sliding, Size: ms(12), Every: ms(4), Lateness: ms(9), Offset: ms(-5)},
	"sliding, not a multiple": {Kind: graph.Sliding, Size: ms(13), Every: ms(5), Lateness: ms(6), Offset: ms(1)},
	"sliding, with holes":     {Kind: graph.Sliding, Size: ms(3), Every: ms(7), Lateness: ms(5)},
	"sliding, early":          {Kind: graph.Sliding, Size: ms(20), Every: ms(7), Lateness: ms(4), Trigger: graph.Trigger{Every: ms(5)}},
	"session":                 {Kind: graph.Session, Gap: ms(4)},
	"session, late":           {Kind: graph.Session, Gap: ms(3), Lateness: ms(12)},
	"session, early":          {Kind: graph.Session, Gap: ms(5), Lateness: ms(6), Trigger: graph.Trigger{Every: ms(4)}},
	"global":                  {Kind: graph.Global},
	"global, early":           {Kind: graph.Global, Trigger: graph.Trigger{Every: ms(9)}},
	"global, in twos":         {Kind: graph.Global, Trigger: graph.Trigger{Count: 2, Purge: true}},
	"global, emptied":         {Kind: graph.Global, Trigger: graph.Trigger{Every: ms(9), Purge: true}},
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// rounds is how many random runs each window gets; `make soak` asks for more.
func rounds() int {
	if os.Getenv("WASMILL_SOAK") != "" {
		return 5000
	}
	return 30
}

// diskEvery is how many of the runs there are to one with its state on disk, whose files
// take time.
const diskEvery = 30

// Random records, watermarks and batches, with snapshots and restores at any moment
// and at any parallelism, give what the model gives: in the same order if there is one
// subtask, and for each key in any case.
func TestWindowsAgreeWithModel(t *testing.T) {
	for name, w := range windowsOfTest {
		for _, shape := range []string{"aggregate", "apply"} {
			t.Run(name+"/"+shape, func(t *testing.T) {
				for seed := range rounds() {
					if t.Run(strconv.Itoa(seed), func(t *testing.T) { play(t, w, shape == "apply", uint64(seed)) }); t.Failed() {
						return
					}
				}
			})
		}
	}
}

func play(t *testing.T, w graph.Window, apply bool, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 11))
	w.Late = 1
	p := &player{t: t, r: r, setup: setup{window: w, apply: apply, inputs: 2, watermark: math.MinInt64, disk: seed%diskEvery == 0}}
	p.model = model{w: w, apply: apply, watermark: math.MinInt64, tick: math.MinInt64}
	p.tasks = []*subtask{open(t, p.setup)}
	alone := seed%3 == 0 // one subtask all the time: the order is checked, too
	clock := int64(r.IntN(100) - 50)
	for step := 0; step < 60; step++ {
		switch n := r.IntN(20); {
		case n < 11:
			var events []event
			for range r.IntN(12) {
				clock += int64(r.IntN(3))
				p.value++
				events = append(events, event{
					key: strings.Repeat("k", r.IntN(3)) + string(rune('a'+r.IntN(5))), value: fmt.Sprintf("%03d", p.value), time: clock - int64(r.IntN(30)),
				})
			}
			p.records(events, r.IntN(2))
		case n < 17:
			p.watermark(clock - int64(r.IntN(25)))
		default:
			parallelism := 1
			if !alone {
				parallelism = 1 + r.IntN(groupsOfTest)
			}
			p.restore(parallelism)
		}
		p.compare(alone)
	}
	for _, x := range p.tasks {
		must(t, x.op.End())
		if !x.guest.ended {
			t.Error("the guest was not told of the end")
		}
	}
	p.model.advance(math.MaxInt64)
	p.compare(alone)
	p.checkEmpty()
}

type player struct {
	t     *testing.T
	r     *rand.Rand
	setup setup
	tasks []*subtask
	model model
	value int
}

func (p *player) of(key string) *subtask {
	return p.tasks[groupOf(key)*len(p.tasks)/groupsOfTest]
}

func (p *player) records(events []event, input int) {
	byTask := map[*subtask][]event{}
	for _, e := range events {
		e.input = input
		p.model.record(e)
		byTask[p.of(e.key)] = append(byTask[p.of(e.key)], e)
	}
	for x, events := range byTask {
		for len(events) > 0 {
			n := 1 + p.r.IntN(len(events))
			must(p.t, x.op.Process(input, batchOf(events[:n]...)))
			events = events[n:]
		}
	}
}

func (p *player) watermark(w int64) {
	p.model.advance(w)
	for _, x := range p.tasks {
		must(p.t, x.op.Watermark(w))
	}
}

// restore goes on from snapshots in other subtasks.
func (p *player) restore(parallelism int) {
	var runs []*bytes.Buffer
	for _, x := range p.tasks {
		runs = append(runs, x.snapshot())
	}
	old := p.tasks
	p.tasks = nil
	s := p.setup
	s.restore, s.watermark = runs, p.model.watermark
	for i := range parallelism {
		s.first, s.end = (i*groupsOfTest+parallelism-1)/parallelism, ((i+1)*groupsOfTest+parallelism-1)/parallelism
		x := open(p.t, s)
		p.tasks = append(p.tasks, x)
	}
	first := p.tasks[0].collector // what was given out before stays
	for _, x := range old {
		first.results = append(first.results, x.collector.results...)
		first.late = append(first.late, x.collector.late...)
		x.close()
	}
}

func (p *player) compare(ordered bool) {
	p.t.Helper()
	var got, late []string
	for _, x := range p.tasks {
		got = append(got, x.collector.take()...)
		late = append(late, x.collector.late...)
		x.collector.late = nil
	}
	want, wantLate := p.model.results, p.model.late
	p.model.results, p.model.late = nil, nil
	if !ordered {
		for _, list := range [][]string{got, late, want, wantLate} {
			slices.SortStableFunc(list, func(a, b string) int { return cmp.Compare(strings.Fields(a)[0], strings.Fields(b)[0]) })
		}
	}
	if !slices.Equal(got, want) {
		p.t.Fatalf("at watermark %d it gave\n  %s\nwant\n  %s", p.model.watermark, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	if !slices.Equal(late, wantLate) {
		p.t.Fatalf("too late %v, want %v", late, wantLate)
	}
}

// checkEmpty looks for state that outlived all windows.
func (p *player) checkEmpty() {
	for i, x := range p.tasks {
		s := p.setup
		s.first, s.end = (i*groupsOfTest+len(p.tasks)-1)/len(p.tasks), ((i+1)*groupsOfTest+len(p.tasks)-1)/len(p.tasks)
		for group := s.first; group < s.end; group++ {
			for table, name := range window.Tables() {
				must(p.t, x.backend.ScanKeys(group, table+1, nil, func(key []byte) bool {
					if string(key) != "w" { // the watermark
						p.t.Errorf("%s of group %d still has %q", name.Name, group, key)
					}
					return true
				}))
			}
		}
	}
}
