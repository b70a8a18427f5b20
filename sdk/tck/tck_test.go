package tck_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/sdk/tck"
)

// TestGuests runs the guest of every SDK, compiled and interpreted.
func TestGuests(t *testing.T) {
	for _, language := range []string{"go", "c", "cpp", "assemblyscript"} {
		for _, shape := range []string{"process", "source", "state", "aggregate", "apply"} {
			path := filepath.Join("guests", language+"-"+shape+".wasm")
			wasm, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v: make guests builds it", err)
			}
			for name, config := range map[string]host.Config{"compiled": {}, "interpreted": {Interpreter: true}} {
				t.Run(strings.Join([]string{language, shape, name}, "/"), func(t *testing.T) {
					h, err := host.New(t.Context(), config)
					if err != nil {
						t.Fatal(err)
					}
					defer h.Close()
					tck.Run(t, h, wasm)
				})
			}
		}
	}
}
