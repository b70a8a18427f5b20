package tck

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/wasmill/wasmill/host"
)

// TestGolden sends the golden vectors of runtime/record through every SDK: a guest
// reads each record and writes it again.
func TestGolden(t *testing.T) {
	text, err := os.ReadFile("../../runtime/record/testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct{ Valid []struct{ Name, Hex string } }
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), host.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, language := range []string{"go", "c", "cpp", "assemblyscript"} {
		t.Run(language, func(t *testing.T) {
			wasm, err := os.ReadFile("guests/" + language + "-process.wasm")
			if err != nil {
				t.Fatalf("%v: make guests builds it", err)
			}
			module, err := h.Load(t.Context(), wasm)
			if err != nil {
				t.Fatal(err)
			}
			i, g := suite{module}.open(t, settings{})
			for _, c := range golden.Valid {
				want, err := hex.DecodeString(c.Hex)
				if err != nil {
					t.Fatal(err)
				}
				g.batches = nil
				process(t, i, 0, want)
				if !bytes.Equal(g.all(), want) {
					t.Errorf("%s: gave out %x, want %x", c.Name, g.all(), want)
				}
			}
		})
	}
}
