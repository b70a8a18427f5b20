package connector_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/connector/conntest"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// splitCollector asks of each batch which split it is of, while it is being given out:
// that is when watermarks are made of it.
type splitCollector struct {
	conntest.Recorder
	source operator.Splitted
	seen   []string // "FILE: values"
}

func (c *splitCollector) Emit(output int, batch []byte) error {
	split, _ := c.source.Reading()
	var values []string
	for r := record.NewCursor(batch); r.Next(); {
		values = append(values, string(r.Value))
	}
	c.seen = append(c.seen, filepath.Base(split)+": "+strings.Join(values, " "))
	return c.Recorder.Emit(output, batch)
}

// Each batch is of the file that the source says it reads; the end of a file is told with
// its last records; all of that holds behind a restore, too.
func TestFileSourceTellsItsSplits(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "a1\na2\na3\n", "b": "", "c": "c1\nbad\xff\nc2\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	op := fileOf(filepath.Join(dir, "*"), "lines")
	read := func(restore []operator.Split, polls int) (*splitCollector, []string, []operator.Split) {
		c := &splitCollector{}
		s := openSource(t, op, connector.Context{Parallelism: 1, Collector: c, Restore: restore})
		defer s.Close()
		c.source = s.(operator.Splitted)
		var ends []string
		for range polls {
			status, err := s.Poll(1)
			if err != nil {
				t.Fatal(err)
			}
			if status == operator.End {
				break
			}
			if split, done := c.source.Reading(); done && !slices.Contains(ends, filepath.Base(split)) {
				ends = append(ends, filepath.Base(split))
			}
		}
		return c, ends, s.Position()
	}
	want := []string{"a: a1", "a: a2", "a: a3", "c: c1", "c: bad\xff", "c: c2"}
	c, ends, _ := read(nil, 100)
	if !slices.Equal(c.seen, want) || fmt.Sprint(ends) != "[a b c]" {
		t.Errorf("seen %q, ended %q", c.seen, ends)
	}
	for polls := range 10 {
		before, endedBefore, at := read(nil, polls)
		behind, endedBehind, _ := read(at, 100)
		if all := slices.Concat(before.seen, behind.seen); !slices.Equal(all, want) {
			t.Errorf("restored behind %d polls: seen %q", polls, all)
		}
		for _, file := range []string{"a", "b", "c"} {
			if !slices.Contains(endedBefore, file) && !slices.Contains(endedBehind, file) {
				t.Errorf("restored behind %d polls: nobody told that %s has ended", polls, file)
			}
		}
	}
	none := t.TempDir()
	if err := os.WriteFile(filepath.Join(none, "only"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openSource(t, fileOf(filepath.Join(none, "*"), "lines"), connector.Context{Parallelism: 2, Collector: &conntest.Recorder{}, Restore: []operator.Split{}})
	defer s.Close()
	if split, done := s.(operator.Splitted).Reading(); split != "" || done {
		t.Errorf("a source without splits reads %q, done %t", split, done)
	}
}
