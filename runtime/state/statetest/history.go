package statetest

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/state"
)

// history plays random operations on a backend and on a model of it, with snapshots
// that are written meanwhile, confirmed, aborted and restored, on other key groups, too.
func history(t *testing.T, open Open, seed int64) {
	h := &player{t: t, open: open, random: rand.New(rand.NewPCG(uint64(seed), 4)), runs: map[uint64]taken{}}
	h.options = state.Options{Tables: keyed("plain", "short", "$engine"), First: 5, End: 13}
	h.options.Tables[1].TTL = time.Second
	h.now, h.model = 1000, model{}
	h.backend = open(t, h.options)
	defer func() {
		h.join()
		must(t, h.backend.Close())
	}()
	h.backend.SetTime(h.now)
	steps := 300 + h.random.IntN(2500)
	for step := 0; step < steps && !t.Failed(); step++ {
		h.step()
	}
	h.join()
	h.compare(h.backend, h.model, h.options, h.now)
}

type player struct {
	t       testing.TB
	open    Open
	random  *rand.Rand
	options state.Options
	backend state.Backend
	model   model
	now     int64
	version uint32

	checkpoint uint64
	runs       map[uint64]taken
	writing    sync.WaitGroup
	pending    []*taken // being written
	confirmed  uint64
}

// taken is a snapshot: what it wrote and what it should hold.
type taken struct {
	checkpoint uint64
	now        int64
	model      model
	info       state.RunInfo
	run        bytes.Buffer
	err        error
}

// model is a backend that can hardly be wrong.
type model map[place]modelEntry

type place struct {
	group, table int
	key, subkey  string
}

type modelEntry struct {
	value   string
	version uint32
	stamp   int64
}

func (h *player) live(p place, e modelEntry, now int64) bool {
	ttl := h.options.Tables[p.table].TTL.Milliseconds()
	return ttl == 0 || now-e.stamp < ttl
}

func (h *player) place() place {
	p := place{group: h.options.First + h.random.IntN(h.options.End-h.options.First), table: h.random.IntN(3)}
	p.key = fmt.Sprint("k", h.random.IntN(4))
	switch h.random.IntN(4) {
	case 0:
		p.key = fmt.Sprint("key-", h.random.IntN(2000))
	case 1:
		p.subkey = fmt.Sprint(h.random.IntN(300))
	case 2:
		p.subkey = fmt.Sprintf("a common prefix %d", h.random.IntN(30))
	}
	return p
}

func (h *player) value() []byte {
	n := h.random.IntN(40)
	switch h.random.IntN(40) {
	case 0:
		n = h.random.IntN(40_000)
	case 1, 2, 3:
		n = h.random.IntN(1000)
	}
	return bytes.Repeat([]byte{byte('a' + h.random.IntN(26))}, n)
}

func (h *player) step() {
	p, b := h.place(), h.backend
	key, subkey := []byte(p.key), []byte(p.subkey)
	old, there := h.model[p]
	there = there && h.live(p, old, h.now)
	switch n := h.random.IntN(1000); {
	case n < 400:
		for range 1 + h.random.IntN(5) {
			v := h.value()
			must(h.t, b.Put(p.group, p.table, key, subkey, v))
			h.model[p] = modelEntry{string(v), h.version, h.now}
			p = h.place()
			key, subkey = []byte(p.key), []byte(p.subkey)
		}
	case n < 500:
		v := h.value()
		must(h.t, b.Append(p.group, p.table, key, subkey, v))
		if !there {
			old.value = ""
		}
		h.model[p] = modelEntry{old.value + string(v), h.version, h.now}
	case n < 650:
		must(h.t, b.Delete(p.group, p.table, key, subkey))
		delete(h.model, p)
	case n < 670:
		from, to := h.bounds()
		if h.random.IntN(3) == 0 {
			from, to = nil, nil
		}
		must(h.t, b.DeleteRange(p.group, p.table, key, from, to))
		maps.DeleteFunc(h.model, func(q place, _ modelEntry) bool {
			return q.group == p.group && q.table == p.table && q.key == p.key && within(q.subkey, from, to)
		})
	case n < 800:
		h.checkGet(p)
	case n < 850:
		h.checkScan(p)
	case n < 860:
		h.checkKeys(p)
	case n < 900:
		h.now += int64(h.random.IntN(200))
		b.SetTime(h.now)
	case n < 905:
		h.version++
		b.SetVersion(h.version)
	case n < 945:
		h.snapshot()
	case n < 965:
		h.join()
	case n < 985:
		h.join()
		h.confirm()
	case n < 990:
		h.join()
		h.checkRun()
	default:
		h.join()
		h.restart()
	}
}

func (h *player) bounds() (from, to []byte) {
	if h.random.IntN(3) > 0 {
		from = fmt.Append(nil, h.random.IntN(300))
	}
	if h.random.IntN(3) > 0 {
		to = fmt.Append(nil, h.random.IntN(300))
	}
	return from, to
}

func within(subkey string, from, to []byte) bool {
	return subkey >= string(from) && (to == nil || subkey < string(to))
}

func (h *player) checkGet(p place) {
	old, there := h.model[p]
	there = there && h.live(p, old, h.now)
	value, version, ok, err := h.backend.Get(p.group, p.table, []byte(p.key), []byte(p.subkey))
	must(h.t, err)
	if ok != there || ok && (string(value) != old.value || version != old.version) {
		h.t.Fatalf("%+v: %.20q of version %d, %t; want %.20q of %d, %t", p, value, version, ok, old.value, old.version, there)
	}
}

func (h *player) checkScan(p place) {
	from, to := h.bounds()
	var got []string
	must(h.t, h.backend.Scan(p.group, p.table, []byte(p.key), from, to, func(subkey, value []byte, version uint32) bool {
		got = append(got, fmt.Sprintf("%s=%s@%d", subkey, value, version))
		return true
	}))
	var subkeys []string
	for q, e := range h.model {
		if q.group == p.group && q.table == p.table && q.key == p.key && within(q.subkey, from, to) && h.live(q, e, h.now) {
			subkeys = append(subkeys, q.subkey)
		}
	}
	slices.Sort(subkeys)
	for i, s := range subkeys {
		e := h.model[place{p.group, p.table, p.key, s}]
		subkeys[i] = fmt.Sprintf("%s=%s@%d", s, e.value, e.version)
	}
	if !slices.Equal(got, subkeys) {
		h.t.Fatalf("scan of %+v from %q to %q: %.500q, want %.500q", p, from, to, got, subkeys)
	}
}

func (h *player) checkKeys(p place) {
	var got []string
	must(h.t, h.backend.ScanKeys(p.group, p.table, nil, func(key []byte) bool { got = append(got, string(key)); return true }))
	wanted := map[string]bool{}
	for q, e := range h.model {
		if q.group == p.group && q.table == p.table && h.live(q, e, h.now) {
			wanted[q.key] = true
		}
	}
	slices.Sort(got)
	if want := slices.Sorted(maps.Keys(wanted)); !slices.Equal(got, want) {
		h.t.Fatalf("keys of group %d, table %d: %q, want %q", p.group, p.table, got, want)
	}
}

func (h *player) snapshot() {
	if len(h.pending) == 2 {
		return
	}
	h.checkpoint++
	s, err := h.backend.Snapshot(h.checkpoint, h.random.IntN(4) == 0)
	must(h.t, err)
	if h.random.IntN(5) == 0 {
		must(h.t, s.Close()) // aborted before it is written
		return
	}
	one := &taken{checkpoint: h.checkpoint, now: h.now, model: maps.Clone(h.model)}
	h.pending = append(h.pending, one)
	h.writing.Go(func() {
		if one.info, one.err = s.Write(&one.run); one.err == nil {
			one.err = s.Close()
		}
	})
}

// join waits for the snapshots being written.
func (h *player) join() {
	h.writing.Wait()
	for _, p := range h.pending {
		must(h.t, p.err)
		h.runs[p.checkpoint] = *p
	}
	h.pending = nil
}

func (h *player) confirm() {
	if last, ok := h.runs[h.checkpoint]; ok {
		h.backend.Confirm(last.checkpoint)
		h.confirmed = last.checkpoint
	}
}

// chain is what a checkpoint is restored from, oldest first.
func (h *player) chain(checkpoint uint64) (runs [][]byte) {
	for checkpoint != 0 {
		one, ok := h.runs[checkpoint]
		if !ok {
			h.t.Fatalf("a delta builds on checkpoint %d, which was never written", checkpoint)
		}
		runs = append(runs, one.run.Bytes())
		checkpoint = one.info.Since
	}
	slices.Reverse(runs)
	return runs
}

// checkRun restores the last snapshot, whole and in parts.
func (h *player) checkRun() {
	last, ok := h.runs[h.checkpoint]
	if !ok {
		return
	}
	middle := h.options.First + h.random.IntN(h.options.End-h.options.First)
	for _, groups := range [][2]int{{h.options.First, h.options.End}, {h.options.First, middle}, {middle, h.options.End}} {
		options := h.options
		options.First, options.End = groups[0], groups[1]
		b := h.open(h.t, options)
		h.fill(b, options, last, 0)
		h.compare(b, last.model, options, last.now)
		must(h.t, b.Close())
	}
}

func (h *player) fill(b state.Backend, options state.Options, last taken, base uint64) {
	var readers []*state.RunReader
	for _, run := range h.chain(last.checkpoint) {
		r, err := state.NewRunReader(bytes.NewReader(run))
		must(h.t, err)
		readers = append(readers, r)
	}
	merged, err := state.Merge(readers, options.First, options.End)
	must(h.t, err)
	b.SetTime(last.now)
	must(h.t, b.Restore(merged, base))
}

// restart goes on from the last confirmed checkpoint.
func (h *player) restart() {
	last, ok := h.runs[h.confirmed]
	if !ok {
		return
	}
	must(h.t, h.backend.Close())
	h.backend = h.open(h.t, h.options)
	base := last.checkpoint
	if h.random.IntN(2) == 0 {
		base = 0
	}
	h.fill(h.backend, h.options, last, base)
	h.model = maps.Clone(last.model)
	h.now = last.now
	h.backend.SetVersion(h.version)
}

// compare checks that a backend holds the model's entries of its groups, and no others.
func (h *player) compare(b state.Backend, want model, options state.Options, now int64) {
	count := 0
	for p, e := range want {
		if p.group < options.First || p.group >= options.End {
			continue
		}
		value, version, ok, err := b.Get(p.group, p.table, []byte(p.key), []byte(p.subkey))
		must(h.t, err)
		live := h.live(p, e, now)
		if ok != live {
			h.t.Fatalf("%+v: there: %t, want %t", p, ok, live)
		}
		if !live {
			continue
		}
		count++
		if string(value) != e.value || version != e.version {
			h.t.Fatalf("%+v: %.20q of version %d, want %.20q of %d (now %d)", p, value, version, e.value, e.version, now)
		}
	}
	found := 0
	for group := options.First; group < options.End; group++ {
		for table := range options.Tables {
			var keys [][]byte
			must(h.t, b.ScanKeys(group, table, nil, func(key []byte) bool { keys = append(keys, bytes.Clone(key)); return true }))
			for _, key := range keys {
				must(h.t, b.Scan(group, table, key, nil, nil, func(_, _ []byte, _ uint32) bool { found++; return true }))
			}
		}
	}
	if found != count {
		h.t.Fatalf("%d entries are there, %d of the model's", found, count)
	}
}
