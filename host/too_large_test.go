package host_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/host"
	as "github.com/wasmill/wasmill/host/internal/assemble"
	"github.com/wasmill/wasmill/host/internal/binary"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

// TestTooLargeInput: input that no instance has room for is told apart from a guest
// that ran out of memory, and the instance takes what comes next.
func TestTooLargeInput(t *testing.T) {
	const page = 1 << 16
	limits := graph.Limits{Memory: 4 * page}
	// alloc answers 0 for more than half a page.
	choosy := as.Join(as.Local(0), as.I32Const(page/2), as.Op(0x4b), as.Op(binary.If), []byte{as.I32},
		as.I32Const(0), as.Op(binary.Else), as.I32Const(as.Buffer), as.Op(binary.End))
	for _, test := range []struct {
		name     string
		guest    as.Guest
		size     int
		tooLarge bool
	}{
		{"beyond the limit", as.Guest{}, 4*page + 1, true},
		{"no room beside the start", as.Guest{Pages: 2, Alloc: choosy}, 3 * page, true},
		{"no room for what could fit", as.Guest{Pages: 2, Alloc: choosy}, page, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := open(t, test.guest.Wasm(), host.Config{}, host.InstanceConfig{Limits: limits})
			err := i.Process(0, make([]byte, test.size))
			if errors.Is(err, operator.ErrTooLarge) != test.tooLarge || !errors.Is(err, fault.ErrGuest) {
				t.Fatalf("got %v", err)
			}
			if test.tooLarge && !strings.Contains(err.Error(), "limit memory is 256KiB") {
				t.Errorf("does not name the limit: %v", err)
			}
			if next := i.Process(0, batchOf(1)); (next == nil) != test.tooLarge {
				t.Errorf("the next call answers %v", next)
			}
		})
	}
}
