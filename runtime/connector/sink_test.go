package connector_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

func batchOf(records ...record.Record) []byte {
	var b record.Builder
	for _, r := range records {
		b.AppendRecord(&r)
	}
	return b.Bytes()
}

func TestEncodings(t *testing.T) {
	const noTime = record.NoTimestamp
	for _, c := range []struct {
		name         string
		r            record.Record
		line, inJSON string
	}{
		{"texts", record.Record{Timestamp: 5, Key: []byte("k"), Value: []byte("v")}, "v\n", `{"key":"k","value":"v","time":5,"change":"insert"}`},
		{"nothing at all", record.Record{Kind: record.KeyAbsent | record.ValueNull | record.Delete, Timestamp: noTime}, "\n", `{"key":null,"value":null,"time":null,"change":"delete"}`},
		{"empty is not absent", record.Record{Kind: record.UpdateBefore, Timestamp: -1}, "\n", `{"key":"","value":"","time":-1,"change":"update-before"}`},
		{"quotes and controls", record.Record{Kind: record.UpdateAfter, Value: []byte("\"\\\n\r\t\x00\x1f/é")}, "\"\\\n\r\t\x00\x1f/é\n", `{"key":"","value":"\"\\\n\r\t\u0000\u001f/é","time":0,"change":"update-after"}`},
		{"binary", record.Record{Key: []byte{0xff}, Value: []byte{0, 0xfe}}, "\x00\xfe\n", `{"key":{"base64":"/w=="},"value":{"base64":"AP4="},"time":0,"change":"insert"}`},
		{"an object stands as such", record.Record{Value: []byte("{\"a\":\r\n[1, \"\\n\"]}")}, "{\"a\":\r\n[1, \"\\n\"]}\n", `{"key":"","value":{"a":  [1, "\n"]},"time":0,"change":"insert"}`},
		{"what only looks like one doesn't", record.Record{Value: []byte(`{"a":1`)}, "{\"a\":1\n", `{"key":"","value":"{\"a\":1","time":0,"change":"insert"}`},
		{"a number is a text", record.Record{Value: []byte(`7`)}, "7\n", `{"key":"","value":"7","time":0,"change":"insert"}`},
		{"the end of time", record.Record{Timestamp: math.MaxInt64 - 1}, "\n", `{"key":"","value":"","time":9223372036854775806,"change":"insert"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for encode, want := range map[string]string{"lines": c.line, "json": c.inJSON + "\n"} {
				var out bytes.Buffer
				ctx := at("out", 0, 1, nil, nil)
				ctx.Stdout = &out
				s, err := connector.OpenSink(t.Context(), sink("stdout", encode, nil), ctx)
				if err == nil {
					err = errors.Join(s.Write(batchOf(c.r)), s.Flush(), s.Close())
				}
				if err != nil || out.String() != want {
					t.Errorf("%s: got %q (%v), want %q", encode, out.String(), err, want)
				}
				if encode == "json" && !json.Valid(out.Bytes()) {
					t.Errorf("not JSON: %s", out.Bytes())
				}
			}
		})
	}
}

func openFileSink(t *testing.T, dir string) (operator.TwoPhaseSink, error) {
	t.Helper()
	s, err := connector.OpenSink(t.Context(), sink("file", "lines", map[string]any{"path": dir}), at("out", 3, 4, nil, nil))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { s.Close() })
	return s.(operator.TwoPhaseSink), nil
}

func wantFault(t *testing.T, err error, place, problem, hint string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Place != place || !strings.Contains(f.Error(), problem) || !strings.Contains(f.Hint, hint) {
		t.Errorf("got %v, want place %q, problem %q, hint %q", err, place, problem, hint)
	}
}

func TestFileSinkNames(t *testing.T) {
	dir := t.TempDir()
	s, err := openFileSink(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(batchOf(record.Record{Value: []byte("x")})); err != nil {
		t.Fatal(err)
	}
	tx, err := s.Prepare(12)
	if err != nil {
		t.Fatal(err)
	}
	committer, err := connector.OpenCommitter(sink("file", "lines", map[string]any{"path": dir}))
	if err == nil {
		err = errors.Join(committer.Commit(t.Context(), tx), s.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, dir), []string{"part-00000000000000000012-00003"}; !slices.Equal(got, want) {
		t.Errorf("got files %q, want %q", got, want)
	}
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// The folder may hold more than results.
func TestFileSinkLeavesStrangersAlone(t *testing.T) {
	strangers := []string{".hidden", ".part-1", "part-00000000000000000001", "part-00000000000000000001-00003.gz", "part-1-3", "xpart-00000000000000000001-00003"}
	files := map[string]string{"part-00000000000000000009-00007-2": "of a larger run", ".part-open-00003-7.2-0123456789abcdef": "of a dead attempt"}
	for _, name := range strangers {
		files[name] = "mine"
	}
	dir := write(t, files)
	s, err := openFileSink(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := s.Prepare(1)
	if err != nil {
		t.Fatal(err)
	}
	committer, err := connector.OpenCommitter(sink("file", "lines", map[string]any{"path": dir}))
	if err == nil {
		err = errors.Join(committer.Commit(t.Context(), tx), s.Close())
	}
	if got := names(t, dir); err != nil || !slices.Equal(got, strangers) {
		t.Errorf("got files %q (%v), want %q", got, err, strangers)
	}
}

func TestFileSinkRefusesFolder(t *testing.T) {
	dir := write(t, map[string]string{"file": ""})
	if err := os.Mkdir(filepath.Join(dir, "closed"), 0o555); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, c := range []struct{ name, path, problem, hint string }{
		{"a file in its place", "file", "make folder: not a directory", "the path must be a folder"},
		{"a file above it", "file/out", "make folder: not a directory", "the path must be a folder"},
		{"not writable", "closed", "create file: permission denied", "must be allowed to write there"},
		{"not to be made", "closed/out", "make folder: permission denied", "must be allowed to write there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			unprivileged(t)
			_, err := openFileSink(t, c.path)
			wantFault(t, err, c.path, c.problem, c.hint)
		})
	}
}

func TestFileSinkWithAFullDisk(t *testing.T) {
	const asChild = "WASMILL_TEST_SMALL_FILES"
	if dir := os.Getenv(asChild); dir != "" {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}); err != nil {
			t.Fatal(err)
		}
		writeUntilFull(t, dir)
		return
	}
	// The limit would be this process's for good.
	child := exec.Command(os.Args[0], "-test.run=^TestFileSinkWithAFullDisk$")
	child.Env = append(os.Environ(), asChild+"="+filepath.Join(t.TempDir(), "out"))
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("with files of at most 1 MiB: %v\n%s", err, out)
	}
}

func writeUntilFull(t *testing.T, dir string) {
	s, err := openFileSink(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	batch := batchOf(record.Record{Value: bytes.Repeat([]byte("x"), 1000)})
	for range 2000 {
		if err = s.Write(batch); err != nil {
			break
		}
	}
	wantFault(t, err, dir, "write file: file too large", "ulimit -f")
	if _, err := s.Prepare(1); err == nil {
		t.Error("prepared what was not written whole")
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if left := names(t, dir); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

func TestCommitterRefuses(t *testing.T) {
	dir := write(t, map[string]string{"victim": "", "part-00000000000000000001-00000": "old"})
	committer, err := connector.OpenCommitter(sink("file", "lines", map[string]any{"path": dir}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, tx, problem string }{
		{"what is not JSON", `{`, "read transaction"},
		{"a path", `{"checkpoint":1,"staged":"../victim"}`, "is no prepared file"},
		{"a strange name", `{"checkpoint":1,"staged":"victim"}`, "is no prepared file"},
		{"a strange marker", `{"checkpoint":1,"marker":"victim"}`, "is no prepared file"},
		{"another subtask's", `{"checkpoint":1,"subtask":1,"staged":".part-00000000000000000001-00000-1.1-0123456789abcdef"}`, "is no prepared file"},
		{"what is gone", `{"checkpoint":2,"staged":".part-00000000000000000002-00000-1.1-0123456789abcdef"}`, "what was prepared is gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := committer.Commit(t.Context(), operator.Transaction(c.tx))
			if !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("got error %v, want a corruption: %q", err, c.problem)
			}
		})
	}
}

func TestTwoSinksInOneFolder(t *testing.T) {
	dir := t.TempDir()
	op := sink("file", "lines", map[string]any{"path": dir})
	committer, err := connector.OpenCommitter(op)
	if err != nil {
		t.Fatal(err)
	}
	s, err := connector.OpenSink(t.Context(), op, at("out", 0, 1, nil, nil))
	if err == nil {
		err = s.Write(batchOf(record.Record{Value: []byte("x")}))
	}
	if err != nil {
		t.Fatal(err)
	}
	tx, err := s.(operator.TwoPhaseSink).Prepare(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "part-00000000000000000001-00000"), []byte("the other's\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	wantFault(t, committer.Commit(t.Context(), tx), filepath.Join(dir, "part-00000000000000000001-00000"), "commit file: a file of this name is there", "a folder of its own")
}

func TestStdoutThatFails(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	c := at("out", 0, 1, nil, nil)
	c.Stdout = full
	s, err := connector.OpenSink(t.Context(), sink("stdout", "lines", nil), c)
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, s.Write(batchOf(record.Record{Value: []byte("x")})), "stdout", "write stdout: no space left on device", "the disk is full")
	c.Stdout = nil
	_, err = connector.OpenSink(t.Context(), sink("stdout", "lines", nil), c)
	wantFault(t, err, "stdout", "standard output is not there", "one process")
}
