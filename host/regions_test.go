package host_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/host"
	as "github.com/wasmill/wasmill/host/internal/assemble"
	"github.com/wasmill/wasmill/host/internal/binary"
)

// A module's data, by name where it has names, and what lies around it.
func TestRegions(t *testing.T) {
	guest := as.Guest{Data: []byte(strings.Repeat("data", 10)), Pages: 3}
	m := guest.Module()
	text := func(wasm []byte) string {
		regions, _, err := host.Regions(wasm)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, r := range regions {
			fmt.Fprintf(&b, "%s %d-%d\n", r.Name, r.From, r.To)
		}
		return b.String()
	}
	described := 16 + len(as.Description)
	want := "before the data 0-16\ndata 16-4136\nbehind the data 4136-196608\ngrown 196608-4294967296\n"
	if got := text(binary.Encode(m)); got != want {
		t.Errorf("without names:\n%swant\n%s", got, want)
	}
	// Names of data segments are subsection 9: of segments 0 and 2; 1 is passive.
	names := []byte{2, 0, 5, '.', 't', 'e', 'x', 't', 2, 7, '.', 'r', 'o', 'd', 'a', 't', 'a'}
	section := append([]byte{4, 'n', 'a', 'm', 'e', 9, byte(len(names))}, names...)
	named := append(append(binary.Encode(m), 0, byte(len(section))), section...)
	want = fmt.Sprintf("before the data 0-16\n.text 16-%d\nbetween data %d-4096\n.rodata 4096-4136\nbehind the data 4136-196608\ngrown 196608-4294967296\n", described, described)
	if got := text(named); got != want {
		t.Errorf("with names:\n%swant\n%s", got, want)
	}
	if _, _, err := host.Regions([]byte("no module")); err == nil {
		t.Error("what is no module has regions")
	}
}
