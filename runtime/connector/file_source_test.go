package connector_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/connector/conntest"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// fileOf is a file source of one pattern.
func fileOf(path, decode string) *graph.Operator {
	return source("file", graph.Format{Decode: decode}, map[string]any{"path": path, "maxLine": maxLine})
}

// unprivileged makes the test's goroutine one that file permissions apply to, as they
// don't to root.
func unprivileged(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	runtime.LockOSThread()
	if err := unix.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setfsuid(0); err != nil {
			t.Fatal(err)
		}
		runtime.UnlockOSThread()
	})
}

func TestFileSourceLines(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"an empty file has none", "", nil},
		{"the last line may lack its end", "a\nb", []string{"a", "b"}},
		{"an end at the end begins no line", "a\nb\n", []string{"a", "b"}},
		{"empty lines are kept", "\n\na\n\n", []string{"", "", "a", ""}},
		{"\\r\\n ends a line too", "a\r\n\r\nb\rc\r\n", []string{"a", "", "b\rc"}},
		{"\\r alone is part of the line", "a\r", []string{"a\r"}},
		{"invalid UTF-8 and zeros pass untouched", "\xff\xfe\n\x00\n", []string{"\xff\xfe", "\x00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, map[string]string{"in": c.text})
			var got valueList
			s := openSource(t, fileOf(filepath.Join(dir, "in"), "lines"), at("in", 0, 1, nil, &got))
			conntest.Drain(t, s, 3)
			if !slices.Equal(got.values, c.want) {
				t.Errorf("lines of %q: got %q, want %q", c.text, got.values, c.want)
			}
		})
	}
}

// valueList keeps the values of records.
type valueList struct {
	conntest.Recorder
	values []string
}

func (v *valueList) Emit(output int, batch []byte) error {
	for c := record.NewCursor(batch); c.Next(); {
		v.values = append(v.values, string(c.Value))
	}
	return nil
}

func TestFileSourceGlob(t *testing.T) {
	dir := write(t, map[string]string{"b.txt": "b", "a.txt": "a", ".part-x.txt": "hidden", "c.csv": "c", "[z].txt": "z"})
	if err := os.Mkdir(filepath.Join(dir, "d.txt"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pattern string
		want    []string
	}{
		{"*.txt", []string{"z", "a", "b"}},
		{"?.*", []string{"a", "b", "c"}},
		{"[ab].txt", []string{"a", "b"}},
		{".part*", []string{"hidden"}},
		{"[z].txt", []string{"z"}},
	} {
		t.Run(c.pattern, func(t *testing.T) {
			var got valueList
			conntest.Drain(t, openSource(t, fileOf(filepath.Join(dir, c.pattern), "lines"), at("in", 0, 1, nil, &got)), 10)
			if !slices.Equal(got.values, c.want) {
				t.Errorf("got %q, want %q", got.values, c.want)
			}
		})
	}
}

func TestFileSourceRefuses(t *testing.T) {
	dir := write(t, map[string]string{"secret": "x", "empty": ""})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(filepath.Join(dir, "secret"), 0), unix.Mkfifo(filepath.Join(dir, "fifo"), 0o666), os.Mkdir(filepath.Join(dir, "sub"), 0o777)); err != nil {
		t.Fatal(err)
	}
	// The folders above may be closed to others, as test folders are.
	t.Chdir(dir)
	for _, c := range []struct{ name, path, problem, hint string }{
		{"a missing file", "none.txt", "no such file", "check the path"},
		{"a glob without a match", "*.txt", "no file matches", "check the path"},
		{"a glob that matches folders only", "su*", "no file matches", "check the path"},
		{"a bad glob", "[a", "syntax error in pattern", "a glob is made of"},
		{"a folder", "sub", "is a folder", "sub/*"},
		{"a file below a file", "empty/x", "not a directory", ""},
		{"an unreadable file", "secret", "permission denied", "must be allowed to read it"},
		{"a pipe", "fifo", "not a regular file", "stdin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			unprivileged(t)
			_, err := connector.OpenSource(t.Context(), fileOf(c.path, "lines"), at("in", 0, 1, nil, &conntest.Recorder{}))
			var f *fault.Error
			if !errors.As(err, &f) || f.Place != c.path || !strings.Contains(f.Error(), c.problem) || !strings.Contains(f.Hint, c.hint) {
				t.Errorf("got %v (%+v), want place %q, problem %q, hint %q", err, f, c.path, c.problem, c.hint)
			}
		})
	}
}

func TestFileSourceNoticesChange(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(path string) error
	}{
		{"shrunk", func(path string) error { return os.Truncate(path, 30_000) }},
		{"grown", func(path string) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("more\n")
			return errors.Join(err, f.Close())
		}},
	} {
		t.Run(c.name+" while it is read", func(t *testing.T) {
			path := filepath.Join(write(t, map[string]string{"in": lines(100_000, "line %d")}), "in")
			s := openSource(t, fileOf(path, "lines"), at("in", 0, 1, nil, &counter{}))
			if _, err := s.Poll(10); err != nil {
				t.Fatal(err)
			}
			if err := c.change(path); err != nil {
				t.Fatal(err)
			}
			wantChanged(t, pollToError(s), path)
		})
		t.Run(c.name+" before the job goes on", func(t *testing.T) {
			path := filepath.Join(write(t, map[string]string{"in": lines(100_000, "line %d")}), "in")
			op := fileOf(path, "lines")
			s := openSource(t, op, at("in", 0, 1, nil, &counter{}))
			if _, err := s.Poll(10); err != nil {
				t.Fatal(err)
			}
			if err := c.change(path); err != nil {
				t.Fatal(err)
			}
			wantChanged(t, pollToError(openSource(t, op, at("in", 0, 1, s.Position(), &counter{}))), path)
		})
	}
	t.Run("of the same size, with other bytes", func(t *testing.T) {
		path := filepath.Join(write(t, map[string]string{"in": "one\ntwo\n"}), "in")
		op := fileOf(path, "lines")
		s := openSource(t, op, at("in", 0, 1, nil, &counter{}))
		if _, err := s.Poll(1); err != nil {
			t.Fatal(err)
		}
		position := s.Position()
		if err := os.WriteFile(path, []byte("eno\ntwo\n"), 0); err != nil {
			t.Fatal(err)
		}
		wantChanged(t, pollToError(openSource(t, op, at("in", 0, 1, position, &counter{}))), path)
	})
}

func pollToError(s operator.Source) error {
	for {
		if status, err := s.Poll(1000); err != nil || status == operator.End {
			return err
		}
	}
}

func wantChanged(t *testing.T, err error, path string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), path+": read file: it has changed") {
		t.Errorf("got error %v, want that %s has changed", err, path)
	}
}

func TestFileSourcePositions(t *testing.T) {
	for _, position := range []string{"1", "1:2:3", "-1:0:3:00000000", "4:0:3:00000000", "1:2:3:00000000", "x:0:3:00000000", "1:0:3:xyz", "1:0:3:100000000"} {
		_, err := connector.OpenSource(t.Context(), fileOf("f", "lines"), at("in", 0, 1, []operator.Split{{ID: "f", Position: position}}, &counter{}))
		if !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("position %q: got error %v, want a corruption", position, err)
		}
	}
}

func TestHugeLines(t *testing.T) {
	const huge = 100 << 20
	path := filepath.Join(write(t, map[string]string{"in": "before\n"}), "in")
	// The file has holes: they read as zeros and take no disk.
	appendTo(t, path, huge, "\r\nbetween\n")
	appendTo(t, path, huge+1, "\nafter")
	for _, c := range []struct {
		name     string
		maxLine  int
		want     []int // lengths
		rejected []string
	}{
		{"allowed", huge, []int{6, huge, 7, 5}, []string{path + ":4: a line of 104857602 bytes is longer than maxLine, 104857600; only its first 1024 bytes are kept"}},
		{"rejected", 1000, []int{6, 7, 5}, []string{
			path + ":2: a line of 104857602 bytes is longer than maxLine, 1000; only its first 1002 bytes are kept",
			path + ":4: a line of 104857602 bytes is longer than maxLine, 1000; only its first 1002 bytes are kept"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &lengths{}
			op := source("file", graph.Format{Decode: "lines"}, map[string]any{"path": path, "maxLine": c.maxLine})
			conntest.Drain(t, openSource(t, op, at("in", 0, 1, nil, r)), 1000)
			if !slices.Equal(r.of, c.want) || !slices.Equal(r.Rejected, c.rejected) {
				t.Errorf("got lengths %v, rejected %q; want %v, %q", r.of, r.Rejected, c.want, c.rejected)
			}
		})
	}
}

// appendTo leaves a hole at the end of a file, then text.
func appendTo(t *testing.T, path string, hole int64, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.Seek(hole, io.SeekEnd)
	}
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// lengths keeps how long the values of records are.
type lengths struct {
	conntest.Recorder
	of []int
}

func (l *lengths) Emit(_ int, batch []byte) error {
	for c := record.NewCursor(batch); c.Next(); {
		l.of = append(l.of, len(c.Value))
	}
	return nil
}
