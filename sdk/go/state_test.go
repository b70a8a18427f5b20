package wasmill_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

// commands is an operator that does what the values of its records say.
func commands(version uint32) wasmill.Operator {
	last := &wasmill.Value[string]{Name: "last", Codec: wasmill.String}
	if version > 0 {
		last.Migrate = func(old uint32, b []byte) (string, error) {
			if old > version {
				return "", errors.New("from the future")
			}
			return strings.ToUpper(string(b)), nil
		}
	}
	ages := &wasmill.Map[int64, string]{Name: "ages", Keys: wasmill.Int64, Values: wasmill.String}
	log := &wasmill.List[string]{Name: "log", Codec: wasmill.String}
	total := &wasmill.Value[int64]{Name: "total", Scope: wasmill.Split, Codec: wasmill.Int64}
	return wasmill.Operator{
		Tables: []wasmill.Table{last, ages, log, total}, StateVersion: version,
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			say := func(v any) { c.Emit(&wasmill.Record{Key: r.Key, Value: fmt.Append(nil, v)}) }
			rest := string(r.Value[1:])
			switch r.Value[0] {
			case 's':
				last.Set(c, rest)
			case 'g':
				v, ok := last.Get(c)
				say(fmt.Sprintf("%v %v", v, ok))
			case 'c':
				last.Clear(c)
			case 'm':
				ages.Set(c, int64(len(rest)), rest)
			case 'r':
				ages.Remove(c, int64(len(rest)))
			case 'w':
				for k, v := range ages.All(c) {
					say(fmt.Sprintf("%v %v", k, v))
				}
			case 'x':
				ages.Clear(c)
			case 'a':
				log.Add(c, rest)
			case 'l':
				say(slices.Collect(log.All(c)))
			case 't':
				n, _ := total.Get(c)
				total.Set(c, n+1)
				say(n + 1)
			case 'T':
				c.SetTimer(wasmill.EventTime, int64(len(rest)), []byte(rest))
			}
			return nil
		},
		Timer: func(c *wasmill.Context, t *wasmill.Timer) error {
			last.Set(c, "after "+string(t.Tag))
			if string(t.Tag) == "ab" {
				c.SetTimer(t.Domain, t.At+1, []byte("again"))
			}
			c.Emit(&wasmill.Record{Timestamp: t.At, Key: t.Key, Value: t.Tag})
			return nil
		},
	}
}

func do(h *wasmilltest.Harness, key, text string) []string {
	var records []wasmill.Record
	for _, c := range strings.Fields(text) {
		records = append(records, wasmilltest.KeyValue(key, c))
	}
	h.Process(records...)
	return h.Values("out")
}

func TestTables(t *testing.T) {
	h := wasmilltest.New(t, commands(0), wasmilltest.Options{})
	for _, step := range []struct {
		name, key, do string
		want          []string
	}{
		{"a value in a batch", "k", "g sone g stwotwo g c g sa", []string{" false", "one true", "twotwo true", " false"}},
		{"a value of another batch", "k", "g", []string{"a true"}},
		{"keys are apart", "other", "g", []string{" false"}},
		{"a map is in order", "k", "mccc ma w mbb ra w", []string{"1 a", "3 ccc", "2 bb", "3 ccc"}},
		{"a map is cleared", "k", "w x maaaa w", []string{"2 bb", "3 ccc", "4 aaaa"}},
		{"a list", "k", "aone a l atwo l", []string{"[one ]", "[one  two]"}},
		{"a list of another batch", "k", "l", []string{"[one  two]"}},
		{"a table of the subtask", "k", "t t", []string{"1", "2"}},
		{"is the same for other keys", "other", "t", []string{"3"}},
	} {
		t.Run(step.name, func(t *testing.T) {
			if got := do(h, step.key, step.do); !slices.Equal(got, step.want) {
				t.Errorf("got %q, want %q", got, step.want)
			}
		})
	}
	if err := h.Try(0, wasmilltest.Value("g")); err == nil || !strings.Contains(err.Error(), "no key at hand") {
		t.Errorf("a record without a key: %v", err)
	}
}

func TestManyKeysInABatch(t *testing.T) {
	h := wasmilltest.New(t, commands(0), wasmilltest.Options{})
	for round := range 3 {
		var records []wasmill.Record
		for n := range 5000 {
			key := fmt.Sprint(n % 3000)
			records = append(records, wasmilltest.KeyValue(key, "g"), wasmilltest.KeyValue(key, fmt.Sprint("s", key, ".", round, strings.Repeat("x", n%200))))
		}
		h.Process(records...)
		for n, got := range h.Values("out") {
			if key := fmt.Sprint(n % 3000); round > 0 && !strings.HasPrefix(got, key+".") {
				t.Fatalf("round %d: %q of key %s", round, got, key)
			}
		}
	}
}

func TestTimers(t *testing.T) {
	h := wasmilltest.New(t, commands(0), wasmilltest.Options{})
	do(h, "k", "Tabcd Tab Tab Tabcdefgh")
	h.AdvanceWatermark(5)
	if got := h.Values("out"); !slices.Equal(got, []string{"ab", "again", "abcd"}) || h.Timers() != 1 {
		t.Errorf("fired %q, %d left", got, h.Timers())
	}
	if got := do(h, "k", "g"); !slices.Equal(got, []string{"after abcd true"}) {
		t.Errorf("what timers wrote: %q", got)
	}
}

func TestMigration(t *testing.T) {
	h := wasmilltest.New(t, commands(0), wasmilltest.Options{})
	do(h, "k", "sold")
	h.Restart(commands(1))
	if got := do(h, "k", "g snew g"); !slices.Equal(got, []string{"OLD true", "new true"}) {
		t.Errorf("got %q", got)
	}
	if got := do(h, "k", "g"); !slices.Equal(got, []string{"new true"}) {
		t.Errorf("got %q", got)
	}
}
