package snapshots_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/snapshots"
)

var update = flag.Bool("update", false, "write transcripts and golden vectors")

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// Each transcript is a log, entry by entry; -update writes what it says after each.
func TestFold(t *testing.T) {
	files, err := filepath.Glob("testdata/log/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := playLog(t, string(data))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(data) {
				t.Errorf("got\n%s\nwant\n%s", got, data)
			}
		})
	}
}

func playLog(t *testing.T, transcript string) string {
	state := snapshots.NewState()
	var out strings.Builder
	for line := range strings.Lines(transcript) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			fmt.Fprintln(&out, line)
		}
		if !strings.HasPrefix(line, "> ") {
			continue
		}
		fmt.Fprintln(&out, line)
		before := len(state.Ignored)
		err := stepLog(t, &state, strings.Fields(line[2:]))
		fmt.Fprintln(&out, "   ", describeState(&state, before, err))
	}
	return out.String()
}

// stepLog reads a line: KIND TERM and what belongs to it; "at=N" gives another number
// than the next.
func stepLog(t *testing.T, s *snapshots.State, f []string) error {
	number := s.Next
	for _, word := range f {
		if n, ok := strings.CutPrefix(word, "at="); ok {
			number = uint64(atoi(t, n))
		}
	}
	if f[0] == "unreadable" {
		return s.Skip(number, fault.Corruptf("flipped"))
	}
	e := snapshots.Entry{Number: number, Term: uint64(atoi(t, f[1])), Writer: "w" + f[1], Time: noon}
	switch f[0] {
	case "fence":
		e.Fence = &snapshots.Fence{}
	case "spec":
		e.Spec = &snapshots.Spec{Plan: []byte(`"` + f[2] + `"`), Fresh: strings.Contains(strings.Join(f, " "), "fresh")}
	case "checkpoint":
		e.Checkpoint = &snapshots.Manifest{Checkpoint: uint64(atoi(t, f[2]))}
	case "cancel":
		e.End = &snapshots.End{Canceled: true}
	case "finish":
		e.End = &snapshots.End{}
	case "fail":
		e.End = &snapshots.End{Failure: f[2]}
	case "trim":
		e.Trim = snapshots.TrimOf(s)
	default:
		t.Fatalf("no such entry: %v", f)
	}
	for _, word := range f {
		if list, ok := strings.CutPrefix(word, "retain="); ok {
			e.Retain = new([]uint64)
			for n := range strings.SplitSeq(list, ",") {
				if n != "" {
					*e.Retain = append(*e.Retain, uint64(atoi(t, n)))
				}
			}
		}
	}
	return s.Step(e)
}

func atoi(t *testing.T, s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func describeState(s *snapshots.State, ignored int, err error) string {
	if err != nil {
		return fmt.Sprintf("error: %v, corrupt: %v", err, errors.Is(err, fault.ErrCorrupt))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "term %d by %s", s.Term, s.Writer)
	if s.Spec != nil {
		fmt.Fprintf(&b, ", job %s", s.Spec.Plan)
	}
	if s.End != nil {
		fmt.Fprintf(&b, ", ended %+v", *s.End)
	}
	fmt.Fprintf(&b, ", checkpoints")
	for _, c := range s.Checkpoints {
		fmt.Fprintf(&b, " %d", c.Manifest.Checkpoint)
		if c.Former {
			b.WriteString("(former)")
		}
	}
	fmt.Fprintf(&b, ", next %d, has state %v, next term %d", s.NextCheckpoint(), s.Began, s.NextTerm())
	for _, i := range s.Ignored[min(ignored, len(s.Ignored)):] {
		fmt.Fprintf(&b, "; ignored: %s", i.Reason)
	}
	return b.String()
}
