package tck

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/sdk/abi"
)

func (s suite) state(t *testing.T) {
	t.Run("describes itself", s.describeState)
	t.Run("transcripts", s.stateTranscripts)
	t.Run("the imports themselves", s.raw)
	t.Run("state requests", s.requests)
	t.Run("faults", s.stateFaults)
	t.Run("open", s.openWithState)
	t.Run("versions", s.versions)
	t.Run("another parallelism", s.rescale)
	t.Run("barrier", s.barrier)
	t.Run("against a model", s.model)
	t.Run("moves with its state", s.movesWithState)
}

func (s suite) describeState(t *testing.T) {
	d := s.module.Description()
	want := []abi.Table{
		{Name: "value", Scope: abi.ScopeKey}, {Name: "map", Scope: abi.ScopeKey}, {Name: "list", Scope: abi.ScopeKey},
		{Name: "brief", Scope: abi.ScopeKey, TTL: d.Tables[3].TTL},
		{Name: "split", Scope: abi.ScopeSplit}, {Name: "union", Scope: abi.ScopeUnion}, {Name: "shared", Scope: abi.ScopeBroadcast},
	}
	if !slices.Equal(d.Tables, want) || d.StateVersion != stateVersion || !slices.Equal(d.Inputs, []string{"in", "rules"}) {
		t.Errorf("describes itself as %+v", d)
	}
	if ttl := d.Tables[3].TTL; ttl != "1h" && ttl != "1h0m0s" {
		t.Errorf("the ttl of brief is %q", ttl)
	}
}

// stateTranscripts: below each line of a script is what comes of it.
func (s suite) stateTranscripts(t *testing.T) {
	for _, c := range stateScripts {
		t.Run(c.name, func(t *testing.T) {
			e := s.openState(t, settings{})
			if got, want := e.script(c.script), strings.TrimLeft(c.script, "\n"); got != want {
				t.Errorf("this came:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// keyOf is a key of a subtask, of two.
func keyOf(subtask int) string {
	for n := 0; ; n++ {
		key := fmt.Sprint("key", n)
		if keygroup.Subtask(keygroup.Of([]byte(key), maxParallelism), 2, maxParallelism) == subtask {
			return key
		}
	}
}

// stateFaults: what a guest must not do with its state.
func (s suite) stateFaults(t *testing.T) {
	foreign := keyOf(1)
	cases := []struct {
		name, line, want string
		with             settings
	}{
		{"a key of another subtask", foreign + ": value set 1", "key group", settings{parallelism: 2}},
		{"a timer of another subtask", foreign + ": timer set 0 1 x", "key group", settings{parallelism: 2}},
		{"a timer deleted of another subtask", foreign + ": timer delete 0 1 x", "key group", settings{parallelism: 2}},
		{"no key for a keyed table", "-: value get", "", settings{}},
		{"no key for a list", "-: list add x", "", settings{}},
		{"no key for a timer", "-: timer set 0 1 x", "", settings{}},
		{"no such domain", "a: timer set 2 1 x", "domain", settings{}},
		{"a timer at no time", "a: timer set 0 9223372036854775807 x", "no time", settings{}},
		{"more state than its limit", "a: map fill 100 1000", "state", settings{stateLimit: 50_000}},
		{"no such table", "a: raw get 7  1", "table 7", settings{}},
		{"request and answers overlap", "a: raw overlap", "overlap", settings{}},
		{"a reply nobody asked for", "a: raw reply x", "outside accumulate", settings{}},
		{"a request that is cut off", "a: raw state 10 123", "cut off", settings{}},
		{"an unknown operation", "a: raw state 10 \x09" + strings.Repeat("\x00", 15), "no operation", settings{}},
	}
	for _, name := range []string{"get", "put", "append", "delete", "scan", "state", "timer_set", "timer_delete", "reply"} {
		want := name + ": 32 bytes at 0xfffffff0 are outside"
		if name == "reply" {
			want = "reply: called outside" // that is seen first
		}
		cases = append(cases, struct {
			name, line, want string
			with             settings
		}{"a wild pointer of " + name, "a: raw wild " + name, want, settings{}})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := s.openState(t, c.with)
			err := e.do(c.line)
			if !errors.Is(err, fault.ErrGuest) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want a guest fault with %q", err, c.want)
			}
			if again := e.do("a: value get"); !errors.Is(again, fault.ErrGuest) {
				t.Errorf("after the fault: %v, want it again", again)
			}
		})
	}
	t.Run("timers where there are none", func(t *testing.T) {
		e := s.start(t, settings{}, saved{})
		e.config.Timers = nil
		i, err := s.module.Instantiate(t.Context(), e.config)
		e.must(err)
		defer i.Close()
		e.must(i.Open(false))
		if err := i.Process(0, command("a: timer set 0 1 x")); !errors.Is(err, fault.ErrGuest) || !strings.Contains(err.Error(), "there are no timers") {
			t.Errorf("set: %v", err)
		}
	})
}

// openWithState: open may use tables; it has no key, and may not emit.
func (s suite) openWithState(t *testing.T) {
	for _, c := range []struct{ name, command, want string }{
		{"uses a table", "split set opened yes", ""},
		{"has no key", "value set 1", "key"},
		{"emits", "split get opened", "emit"},
		{"sets a timer", "timer set 0 1 x", "key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := s.start(t, settings{config: fmt.Sprintf(`{"open": %q}`, c.command)}, saved{})
			err := e.instance.Open(false)
			if c.want != "" {
				if !errors.Is(err, fault.ErrGuest) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("open: %v, want a guest fault with %q", err, c.want)
				}
				return
			}
			e.must(err)
			e.must(e.do("a: split get opened"))
			if said := e.said(); !slices.Equal(said, []string{"a: yes"}) {
				t.Errorf("said %q", said)
			}
		})
	}
}
