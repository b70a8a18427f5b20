// Package statetest is the conformance suite of state backends. It is not for how fast
// they are. Start with Run.
package statetest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/state"
)

// Open makes an empty backend; the suite closes it.
type Open func(t testing.TB, options state.Options) state.Backend

// Run runs the suite. Rounds is how many random histories are played.
func Run(t *testing.T, open Open, rounds int) {
	t.Run("entries", func(t *testing.T) { entries(t, open) })
	t.Run("ranges", func(t *testing.T) { ranges(t, open) })
	t.Run("keys", func(t *testing.T) { keys(t, open) })
	t.Run("expiry", func(t *testing.T) { expiry(t, open) })
	t.Run("limit", func(t *testing.T) { limit(t, open) })
	t.Run("refusals", func(t *testing.T) { refusals(t, open) })
	t.Run("deltas", func(t *testing.T) { deltas(t, open) })
	t.Run("versions", func(t *testing.T) { versions(t, open) })
	for seed := range rounds {
		t.Run(fmt.Sprintf("history/seed=%d", seed), func(t *testing.T) { history(t, open, int64(seed)) })
	}
}

func keyed(names ...string) (tables []state.Table) {
	for _, n := range names {
		tables = append(tables, state.Table{Name: n, Scope: state.ScopeKey})
	}
	return tables
}

func openWith(t testing.TB, open Open, options state.Options) state.Backend {
	t.Helper()
	b := open(t, options)
	t.Cleanup(func() { must(t, b.Close()) })
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want checks one entry; a nil value: it is not there.
func want(t testing.TB, b state.Backend, group, table int, key, subkey string, value []byte) {
	t.Helper()
	got, _, ok, err := b.Get(group, table, []byte(key), []byte(subkey))
	must(t, err)
	if ok != (value != nil) || !bytes.Equal(got, value) {
		t.Errorf("group %d, table %d, %q/%q: %q, %t; want %q", group, table, key, subkey, got, ok, value)
	}
}

func entries(t *testing.T, open Open) {
	b := openWith(t, open, state.Options{Tables: keyed("a", "b"), First: 3, End: 5})
	put := func(group, table int, key, subkey, value string) {
		t.Helper()
		must(t, b.Put(group, table, []byte(key), []byte(subkey), []byte(value)))
	}
	want(t, b, 3, 0, "k", "", nil)
	put(3, 0, "k", "", "one")
	put(3, 0, "", "", "no key")
	put(3, 0, "k", "s", "")
	put(3, 1, "k", "", "other table")
	put(4, 0, "k", "", "other group")
	put(3, 0, "ks", "", "not k/s")
	want(t, b, 3, 0, "k", "", []byte("one"))
	want(t, b, 3, 0, "", "", []byte("no key"))
	want(t, b, 3, 0, "k", "s", []byte{})
	want(t, b, 3, 1, "k", "", []byte("other table"))
	want(t, b, 4, 0, "k", "", []byte("other group"))
	want(t, b, 4, 0, "k", "s", nil)
	put(3, 0, "k", "", "a longer value than before, that does not fit where the first one lay")
	want(t, b, 3, 0, "k", "", []byte("a longer value than before, that does not fit where the first one lay"))
	must(t, b.Append(3, 0, []byte("k"), nil, []byte(", and longer")))
	must(t, b.Append(3, 0, []byte("n"), nil, []byte("new")))
	want(t, b, 3, 0, "k", "", []byte("a longer value than before, that does not fit where the first one lay, and longer"))
	want(t, b, 3, 0, "n", "", []byte("new"))
	must(t, b.Delete(3, 0, []byte("k"), nil))
	must(t, b.Delete(3, 0, []byte("k"), nil))
	must(t, b.Delete(4, 1, []byte("never"), []byte("there")))
	want(t, b, 3, 0, "k", "", nil)
	want(t, b, 3, 0, "k", "s", []byte{})

	// What was got is put: longer, shorter, elsewhere.
	big := bytes.Repeat([]byte("0123456789"), 10_000)
	must(t, b.Put(3, 0, []byte("big"), nil, big))
	got, _, _, err := b.Get(3, 0, []byte("big"), nil)
	must(t, err)
	must(t, b.Put(3, 0, []byte("big"), nil, got[10:30_000]))
	want(t, b, 3, 0, "big", "", big[10:30_000])
	got, _, _, err = b.Get(3, 0, []byte("big"), nil)
	must(t, err)
	must(t, b.Append(3, 0, []byte("big"), nil, got))
	want(t, b, 3, 0, "big", "", append(bytes.Clone(big[10:30_000]), big[10:30_000]...))
}

func scan(t testing.TB, b state.Backend, group, table int, key string, from, to []byte) (found []string) {
	t.Helper()
	must(t, b.Scan(group, table, []byte(key), from, to, func(subkey, value []byte, _ uint32) bool {
		found = append(found, fmt.Sprintf("%s=%s", subkey, value))
		return true
	}))
	return found
}

func ranges(t *testing.T, open Open) {
	b := openWith(t, open, state.Options{Tables: keyed("a"), End: 1})
	for _, s := range []string{"b", "", "a", "ab", "\xff", "a\x00", "c"} {
		must(t, b.Put(0, 0, []byte("k"), []byte(s), []byte("v"+s)))
		must(t, b.Put(0, 0, []byte("other"), []byte(s), nil))
	}
	for _, c := range []struct {
		name     string
		from, to []byte
		want     string
	}{
		{"all", nil, nil, "[=v a=va a\x00=va\x00 ab=vab b=vb c=vc \xff=v\xff]"},
		{"from, in between", []byte("aa"), nil, "[ab=vab b=vb c=vc \xff=v\xff]"},
		{"from, inclusive", []byte("b"), nil, "[b=vb c=vc \xff=v\xff]"},
		{"to, exclusive", nil, []byte("ab"), "[=v a=va a\x00=va\x00]"},
		{"both", []byte("a"), []byte("b"), "[a=va a\x00=va\x00 ab=vab]"},
		{"nothing below the empty subkey", nil, []byte{}, "[]"},
		{"upside down", []byte("c"), []byte("a"), "[]"},
		{"behind all", []byte("\xff\xff"), nil, "[]"},
	} {
		if got := fmt.Sprint(scan(t, b, 0, 0, "k", c.from, c.to)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	seen := 0
	must(t, b.Scan(0, 0, []byte("k"), nil, nil, func(_, _ []byte, _ uint32) bool { seen++; return seen < 3 }))
	if seen != 3 {
		t.Errorf("a scan that is told to end after 3 entries visits %d", seen)
	}
	must(t, b.DeleteRange(0, 0, []byte("k"), []byte("a\x00"), []byte("c")))
	if got := fmt.Sprint(scan(t, b, 0, 0, "k", nil, nil)); got != "[=v a=va c=vc \xff=v\xff]" {
		t.Errorf("after a deletion in the middle: %q", got)
	}
	must(t, b.DeleteRange(0, 0, []byte("k"), nil, nil))
	if got := scan(t, b, 0, 0, "k", nil, nil); len(got) != 0 {
		t.Errorf("after the deletion of all: %q", got)
	}
	if got := scan(t, b, 0, 0, "other", nil, nil); len(got) != 7 {
		t.Errorf("the other key has %q", got)
	}
}

func keys(t *testing.T, open Open) {
	b := openWith(t, open, state.Options{Tables: keyed("a", "b"), End: 2})
	const n = 5000
	for i := range n {
		key := fmt.Appendf(nil, "key-%d", i)
		var subkey []byte
		if i%3 > 0 {
			subkey = []byte("s")
		}
		must(t, b.Put(i%2, 0, key, subkey, key))
		if i%3 == 1 {
			must(t, b.Put(i%2, 0, key, nil, key))
		}
	}
	list := func(group int, after []byte, most int) (found [][]byte) {
		must(t, b.ScanKeys(group, 0, after, func(key []byte) bool {
			found = append(found, bytes.Clone(key))
			return len(found) < most
		}))
		return found
	}
	for group := range 2 {
		all := list(group, nil, n)
		seen := map[string]bool{}
		for _, k := range all {
			seen[string(k)] = true
		}
		if len(all) != n/2 || len(seen) != n/2 {
			t.Fatalf("group %d: %d keys, %d different ones; want %d", group, len(all), len(seen), n/2)
		}
		// In pages: the same keys in the same order.
		var pages [][]byte
		for page := list(group, nil, 7); len(page) > 0; page = list(group, page[len(page)-1], 7) {
			pages = append(pages, page...)
		}
		if fmt.Sprint(pages) != fmt.Sprint(all) {
			t.Errorf("group %d: pages of keys are not what a scan gives", group)
		}
	}
	must(t, b.ScanKeys(0, 1, nil, func(key []byte) bool { t.Errorf("key %q in an empty table", key); return true }))
}

func expiry(t *testing.T, open Open) {
	tables := keyed("for ever", "short")
	tables[1].TTL = 1_000_000_000 // 1 s
	b := openWith(t, open, state.Options{Tables: tables, End: 1})
	b.SetTime(10_000)
	for table := range 2 {
		must(t, b.Put(0, table, []byte("k"), nil, []byte("v")))
		must(t, b.Put(0, table, []byte("k"), []byte("s"), []byte("w")))
	}
	b.SetTime(10_999)
	want(t, b, 0, 1, "k", "", []byte("v"))
	must(t, b.Put(0, 1, []byte("k"), []byte("late"), []byte("x")))
	b.SetTime(11_000)
	want(t, b, 0, 0, "k", "", []byte("v"))
	want(t, b, 0, 1, "k", "", nil)
	if got := fmt.Sprint(scan(t, b, 0, 1, "k", nil, nil)); got != "[late=x]" {
		t.Errorf("scan: %q, want the entry that has not expired", got)
	}
	must(t, b.Append(0, 1, []byte("k"), nil, []byte("new")))
	want(t, b, 0, 1, "k", "", []byte("new"))
	b.SetTime(5) // it does not go back
	want(t, b, 0, 1, "k", "s", nil)
	b.SetTime(20_000)
	if err := b.ScanKeys(0, 1, nil, func(key []byte) bool { t.Errorf("key %q has expired", key); return true }); err != nil {
		t.Error(err)
	}
	// What expires makes room while others are written.
	for i := range 3000 {
		b.SetTime(int64(20_000 + 10*i))
		must(t, b.Put(0, 1, fmt.Appendf(nil, "%d", i), nil, make([]byte, 100)))
	}
	if most := int64(1500 * (state.EntryOverhead + 104)); b.Bytes() > most {
		t.Errorf("%d bytes are there, of a hundred entries that live: more than %d", b.Bytes(), most)
	}
}

func limit(t *testing.T, open Open) {
	b := openWith(t, open, state.Options{Tables: keyed("a"), End: 1, Limit: 10 * (state.EntryOverhead + 20)})
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		err = b.Put(0, 0, fmt.Appendf(nil, "key-%06d", n), nil, make([]byte, 10))
	}
	var limit *state.LimitError
	if !errors.As(err, &limit) || !errors.Is(err, fault.ErrGuest) || n != 11 {
		t.Fatalf("entry %d: %v; want the 11th to be refused as a guest fault", n, err)
	}
	if err := b.Append(0, 0, []byte("key-000000"), nil, []byte("x")); !errors.As(err, &limit) {
		t.Errorf("append above the limit: %v", err)
	}
	want(t, b, 0, 0, "key-000000", "", make([]byte, 10))
	must(t, b.Put(0, 0, []byte("key-000000"), nil, make([]byte, 10)))
	must(t, b.Delete(0, 0, []byte("key-000001"), nil))
	must(t, b.Put(0, 0, []byte("key-000011"), nil, make([]byte, 10)))
}

func refusals(t *testing.T, open Open) {
	b := openWith(t, open, state.Options{Tables: keyed("a"), First: 2, End: 4})
	never := func([]byte) bool { t.Error("visited"); return true }
	for name, err := range map[string]error{
		"group below":   b.Put(1, 0, nil, nil, nil),
		"group above":   b.Append(4, 0, nil, nil, nil),
		"table above":   b.Delete(2, 1, nil, nil),
		"table below":   b.DeleteRange(2, -1, nil, nil, nil),
		"scan":          b.Scan(0, 0, nil, nil, nil, nil),
		"scan of keys":  b.ScanKeys(9, 0, nil, never),
		"key":           b.Put(2, 0, make([]byte, state.MaxKey+1), nil, nil),
		"subkey":        b.Put(2, 0, nil, make([]byte, state.MaxSubkey+1), nil),
		"value":         b.Put(2, 0, nil, nil, make([]byte, state.MaxValue+1)),
		"key, deletion": b.Delete(2, 0, make([]byte, state.MaxKey+1), nil),
	} {
		if !errors.Is(err, fault.ErrGuest) {
			t.Errorf("%s: %v, want a guest fault", name, err)
		}
	}
	if _, _, _, err := b.Get(1, 0, nil, nil); !errors.Is(err, fault.ErrGuest) {
		t.Errorf("get: %v, want a guest fault", err)
	}
	key, subkey := bytes.Repeat([]byte("k"), state.MaxKey), bytes.Repeat([]byte("s"), state.MaxSubkey)
	must(t, b.Put(3, 0, key, subkey, []byte("the longest")))
	want(t, b, 3, 0, string(key), string(subkey), []byte("the longest"))
	b.Touch(9, 9, nil, nil)
	b.Touch(3, 0, key, subkey)
}
