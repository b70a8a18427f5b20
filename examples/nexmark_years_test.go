package examples

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// Counts of windows are the same in any year that a source can have.
func TestNexmarkYears(t *testing.T) {
	const year = 31_556_950_000 / 10_000 * 10_000 // ms, and whole windows
	want, err := trial.ReadRows("nexmark/testdata/q5.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"q5", "q5-go"} {
		for _, years := range []int64{-56, 300, 7900} {
			t.Run(fmt.Sprint(query, " ", 2026+years), func(t *testing.T) {
				t.Parallel()
				out := filepath.Join(t.TempDir(), "out")
				run(t, nil, "nexmark/"+query+".yaml", "--data-dir", t.TempDir(),
					"--set", "operators.in.with.file="+eventsLater(t, years*year), "--set", "operators.out.with.path="+out)
				got, err := trial.ReadRows(out)
				if err != nil {
					t.Fatal(err)
				}
				if err := trial.Compare(got, want); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// eventsLater is a file of the given events, their times moved by some ms.
func eventsLater(t *testing.T, by int64) string {
	t.Helper()
	packed, err := os.Open("nexmark/events.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	zip, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	events, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	times := regexp.MustCompile(`"(dateTime|expires)":\d+`)
	events = times.ReplaceAllFunc(events, func(field []byte) []byte {
		name, digits, _ := bytes.Cut(field, []byte(":"))
		ms, err := strconv.ParseInt(string(digits), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Appendf(nil, "%s:%d", name, ms+by)
	})
	file := filepath.Join(t.TempDir(), "events.ndjson")
	if err := os.WriteFile(file, events, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
