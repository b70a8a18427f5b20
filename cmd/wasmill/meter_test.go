package main

import (
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

func TestMeter(t *testing.T) {
	store := new(storetest.Memory)
	must(t, store.Put(t.Context(), "x", strings.NewReader("0123456789"), 10))
	for _, c := range []struct {
		name     string
		terminal bool
		want     string
	}{
		{"a line now and then", false, "read 10 B of 100 B\n"},
		{"redrawn on a terminal, and taken away", true, "\r\x1b[Jread 10 B of 100 B\r\x1b[J"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			m := &meter{out: &out, terminal: c.terminal}
			m.expect(100)
			for range 3 { // those at once are not shown
				_, err := snapshots.ReadAll(t.Context(), &meteredStore{store, m}, "x", 10)
				must(t, err)
			}
			m.close()
			m.close()
			if out.String() != c.want {
				t.Errorf("it says %q, want %q", out.String(), c.want)
			}
			m.last = time.Time{}
			m.add(70)
			if want := "read 100 B of 100 B"; !strings.Contains(out.String(), want) {
				t.Errorf("it says %q, want also %q", out.String(), want)
			}
		})
	}
	_, err := snapshots.ReadAll(t.Context(), &meteredStore{store, nil}, "x", 10) // --quiet
	must(t, err)
}
