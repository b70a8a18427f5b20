package state_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
)

func openTimers(t testing.TB, groups int) (state.Backend, *state.Timers) {
	t.Helper()
	b := openMemory(t, state.Options{Tables: []state.Table{{Name: state.TimersTable, Scope: state.ScopeKey}}, First: 2, End: 2 + groups})
	t.Cleanup(func() { must(t, b.Close()) })
	timers, err := state.NewTimers(b, 0, 2, 2+groups)
	must(t, err)
	return b, timers
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// due fires everything up to a time, call by call.
func due(t testing.TB, timers *state.Timers, d state.Domain, upTo int64, most int) (calls []string) {
	t.Helper()
	for {
		var batch record.Builder
		n, err := timers.Due(d, upTo, most, &batch)
		must(t, err)
		if n != batch.Count() {
			t.Fatalf("Due gives %d timers and %d records", n, batch.Count())
		}
		if n == 0 {
			return calls
		}
		if _, err := record.Validate(batch.Bytes()); err != nil {
			t.Fatal(err)
		}
		var call []string
		for c := record.NewCursor(batch.Bytes()); c.Next(); {
			if state.Domain(c.Kind) != d {
				t.Fatalf("a timer of domain %d comes with kind %d", d, c.Kind)
			}
			call = append(call, fmt.Sprintf("%d:%s%s", c.Timestamp, c.Key, c.Value))
		}
		calls = append(calls, strings.Join(call, " "))
	}
}

func TestTimers(t *testing.T) {
	_, timers := openTimers(t, 4)
	set := func(d state.Domain, group int, ts int64, key, tag string) {
		t.Helper()
		must(t, timers.Set(d, group, ts, []byte(key), []byte(tag)))
	}
	if _, ok := timers.Next(state.EventTime); ok {
		t.Error("a next timer where none is set")
	}
	set(state.EventTime, 2, 30, "a", "/x")
	set(state.EventTime, 2, 10, "a", "/x")
	set(state.EventTime, 2, 10, "a", "/x") // the same
	set(state.EventTime, 2, 10, "a", "/y")
	set(state.EventTime, 5, 20, "b", "")
	set(state.EventTime, 5, -5, "b", "")
	set(state.EventTime, 3, 40, "c", "")
	set(state.EventTime, 3, 50, "c", "")
	set(state.ProcessingTime, 3, 15, "c", "/p")
	must(t, timers.Delete(state.EventTime, 3, 40, []byte("c"), nil))
	must(t, timers.Delete(state.EventTime, 3, 41, []byte("c"), nil))
	if next, ok := timers.Next(state.EventTime); !ok || next != -5 {
		t.Errorf("the next timer is at %d, want -5", next)
	}
	for _, c := range []struct {
		upTo int64
		want string
	}{
		{-6, "[]"},
		{10, "[-5:b 10:a/x | 10:a/y]"},
		{20, "[20:b]"},
		{math.MaxInt64, "[30:a/x 50:c]"},
		{math.MaxInt64, "[]"},
	} {
		if got := "[" + strings.Join(due(t, timers, state.EventTime, c.upTo, 100), " | ") + "]"; got != c.want {
			t.Errorf("up to %d: %s, want %s", c.upTo, got, c.want)
		}
	}
	if got := due(t, timers, state.ProcessingTime, 100, 100); fmt.Sprint(got) != "[15:c/p]" {
		t.Errorf("processing time: %v", got)
	}
	for name, err := range map[string]error{
		"group":  timers.Set(0, 6, 1, nil, nil),
		"domain": timers.Set(2, 2, 1, nil, nil),
		"time":   timers.Set(0, 2, math.MaxInt64, nil, nil),
		"size":   timers.Set(0, 2, 1, make([]byte, state.MaxTimerName), []byte("x")),
		"delete": timers.Delete(0, 1, 1, nil, nil),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Whatever is set, deleted and fired: a key's timers come in order, each once, none early.
func TestTimersAgainstModel(t *testing.T) {
	for seed := range histories(20) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(seed), 1))
			b, timers := openTimers(t, 9)
			groups := 1 + random.IntN(9)
			type timer struct {
				ts  int64
				key string
			}
			set := map[timer]bool{}
			for range 300 {
				one := timer{int64(random.IntN(1000)), fmt.Sprint("k", random.IntN(30))}
				group := 2 + len(one.key)%groups
				switch random.IntN(10) {
				default:
					must(t, timers.Set(0, group, one.ts, []byte(one.key), nil))
					set[one] = true
				case 0, 1:
					must(t, timers.Delete(0, group, one.ts, []byte(one.key), nil))
					delete(set, one)
				case 2:
					var err error
					timers, err = state.NewTimers(b, 0, 2, 2+groups) // as after a restore
					must(t, err)
				case 3:
					var want []timer
					for o := range set {
						if o.ts <= one.ts {
							want = append(want, o)
							delete(set, o)
						}
					}
					last := map[string]int64{}
					for _, call := range due(t, timers, 0, one.ts, 1+random.IntN(20)) {
						fired := strings.Fields(call)
						keys := map[string]bool{}
						for _, f := range fired {
							var got timer
							if _, err := fmt.Sscanf(strings.ReplaceAll(f, ":", " "), "%d %s", &got.ts, &got.key); err != nil {
								t.Fatal(err)
							}
							at := slices.Index(want, got)
							if at < 0 || keys[got.key] || got.ts < last[got.key] {
								t.Fatalf("%+v fired: set %t, twice in a call %t, last of its key %d", got, at >= 0, keys[got.key], last[got.key])
							}
							keys[got.key], last[got.key] = true, got.ts
							want = slices.Delete(want, at, at+1)
						}
					}
					if len(want) > 0 {
						t.Fatalf("up to %d these did not fire: %v", one.ts, want)
					}
				}
				next, ok := timers.Next(0)
				least := int64(math.MaxInt64)
				for o := range set {
					least = min(least, o.ts)
				}
				if ok != (len(set) > 0) || ok && next != least {
					t.Fatalf("next is %d, %t; want %d of %d", next, ok, least, len(set))
				}
			}
		})
	}
}
