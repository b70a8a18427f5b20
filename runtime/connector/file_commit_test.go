package connector_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

const firstPart = "part-00000000000000000001-00000"

// openFile opens one subtask of a file sink, in a run from nothing.
func openFile(t *testing.T, dir string, subtask, parallelism int) (operator.TwoPhaseSink, error) {
	t.Helper()
	s, err := connector.OpenSink(t.Context(), sink("file", "lines", map[string]any{"path": dir}), at("out", subtask, parallelism, nil, nil))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { s.Close() })
	return s.(operator.TwoPhaseSink), nil
}

// prepared is a sink that wrote one line and prepared it.
func prepared(t *testing.T, dir, line string) (operator.TwoPhaseSink, operator.Transaction) {
	t.Helper()
	s, err := openFile(t, dir, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(batchOf(record.Record{Value: []byte(line)})); err != nil {
		t.Fatal(err)
	}
	tx, err := s.Prepare(1)
	if err != nil {
		t.Fatal(err)
	}
	return s, tx
}

func committer(t *testing.T, dir string) operator.Committer {
	t.Helper()
	c, err := connector.OpenCommitter(sink("file", "lines", map[string]any{"path": dir}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wantText(t *testing.T, path, want string) {
	t.Helper()
	if text, err := os.ReadFile(path); err != nil || string(text) != want {
		t.Errorf("%s holds %q (%v), want %q", filepath.Base(path), text, err, want)
	}
}

// All parts are prepared before the first is committed, so that what is refused then
// leaves none of them visible.
func TestPrepareRefusesANameThatIsTaken(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, firstPart), 0o777); err != nil {
		t.Fatal(err)
	}
	s, err := openFile(t, dir, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(batchOf(record.Record{Value: []byte("x")})); err != nil {
		t.Fatal(err)
	}
	_, err = s.Prepare(1)
	wantFault(t, err, filepath.Join(dir, firstPart), "commit file: a file of this name is there", "a folder of its own")
}

func TestAFailedCommitKeepsTheEarlierResult(t *testing.T) {
	dir := t.TempDir()
	s, tx := prepared(t, dir, "earlier")
	if err := errors.Join(committer(t, dir).Commit(t.Context(), tx), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, firstPart), filepath.Join(dir, firstPart+"-7")); err != nil {
		t.Fatal(err)
	}
	_, tx = prepared(t, dir, "new")
	if err := os.Mkdir(filepath.Join(dir, firstPart), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := committer(t, dir).Commit(t.Context(), tx); err == nil {
		t.Fatal("committed over a folder")
	}
	wantText(t, filepath.Join(dir, firstPart+"-7"), "earlier\n")
	if err := os.Remove(filepath.Join(dir, firstPart)); err != nil {
		t.Fatal(err)
	}
	if err := committer(t, dir).Commit(t.Context(), tx); err != nil {
		t.Fatalf("repeated commit: %v", err)
	}
	wantText(t, filepath.Join(dir, firstPart), "new\n")
	if _, err := os.Stat(filepath.Join(dir, firstPart+"-7")); !os.IsNotExist(err) {
		t.Errorf("the earlier result is still there (%v)", err)
	}
}

func TestCommitsOfOneTransactionAtOnceAllSucceed(t *testing.T) {
	const rounds, committers = 100, 4
	dir := t.TempDir()
	for range rounds {
		s, tx := prepared(t, dir, "x")
		begin := make(chan struct{})
		var group sync.WaitGroup
		for range committers {
			c := committer(t, dir)
			group.Go(func() {
				<-begin
				if err := c.Commit(context.Background(), tx); err != nil {
					t.Error(err)
				}
			})
		}
		close(begin)
		group.Wait()
		wantText(t, filepath.Join(dir, firstPart), "x\n")
		if err := s.Close(); err != nil || t.Failed() {
			t.Fatal(err)
		}
	}
}

// A lost file is not taken for committed because one of an earlier run has its name.
func TestALostFileIsMissedBesideAnEarlierResult(t *testing.T) {
	dir := t.TempDir()
	s, tx := prepared(t, dir, "earlier")
	if err := errors.Join(committer(t, dir).Commit(t.Context(), tx), s.Close()); err != nil {
		t.Fatal(err)
	}
	_, tx = prepared(t, dir, "new")
	staged, err := filepath.Glob(filepath.Join(dir, ".part-0*-00000-0.0-????????????????"))
	if err != nil || len(staged) != 1 {
		t.Fatalf("staged: %q (%v)", staged, err)
	}
	if err := os.Remove(staged[0]); err != nil {
		t.Fatal(err)
	}
	wantFault(t, committer(t, dir).Commit(t.Context(), tx), staged[0], "what was prepared is gone", "somebody has removed it")
}

func TestASecondRunIntoAFolderIsRefused(t *testing.T) {
	for name, between := range map[string]func(operator.TwoPhaseSink) error{
		"while the first writes": func(s operator.TwoPhaseSink) error {
			return s.Write(batchOf(record.Record{Value: []byte("y")}))
		},
		"after it wrote nothing": func(s operator.TwoPhaseSink) error {
			_, err := s.Prepare(2)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of the time is patience
			dir := t.TempDir()
			first, tx := prepared(t, dir, "x")
			if err := between(first); err != nil {
				t.Fatal(err)
			}
			_, err := openFile(t, dir, 0, 3)
			wantFault(t, err, dir, "open sink: another run writes to this folder", "a folder of its own")
			if err := committer(t, dir).Commit(t.Context(), tx); err != nil {
				t.Fatalf("the first run: %v", err)
			}
			wantText(t, filepath.Join(dir, firstPart), "x\n")
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := openFile(t, dir, 0, 3); err != nil {
				t.Errorf("after the first run: %v", err)
			}
		})
	}
}

// C1: an attempt that was replaced, and opens its sink before it knows, leaves alone what
// the later one staged; the other way round what the earlier one left is removed.
func TestAReplacedAttemptLeavesTheLaterOneAlone(t *testing.T) {
	open := func(dir string, attempt id.Attempt) operator.TwoPhaseSink {
		c := at("out", 0, 1, []operator.Split{}, nil)
		c.Attempt = attempt
		s, err := connector.OpenSink(t.Context(), sink("file", "lines", map[string]any{"path": dir}), c)
		if err != nil {
			t.Fatal(err)
		}
		return s.(operator.TwoPhaseSink)
	}
	for _, c := range []struct {
		name          string
		first, second id.Attempt
		survives      bool
	}{
		{"an earlier term", id.Attempt{Term: 2, Number: 1}, id.Attempt{Term: 1, Number: 9}, true},
		{"an earlier number", id.Attempt{Term: 2, Number: 10}, id.Attempt{Term: 2, Number: 9}, true},
		{"a later number", id.Attempt{Term: 2, Number: 1}, id.Attempt{Term: 2, Number: 2}, false},
		{"a later term", id.Attempt{Term: 9, Number: 5}, id.Attempt{Term: 10, Number: 1}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			first := open(dir, c.first)
			if err := first.Write(batchOf(record.Record{Value: []byte("x")})); err != nil {
				t.Fatal(err)
			}
			tx, err := first.Prepare(5)
			if err != nil {
				t.Fatal(err)
			}
			second := open(dir, c.second)
			err = committer(t, dir).Commit(t.Context(), tx)
			if survives := err == nil; survives != c.survives {
				t.Errorf("commit of what %s prepared, after %s opened: %v", c.first, c.second, err)
			}
			if err := errors.Join(first.Close(), second.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A pipe that nobody reads holds a sink only as long as its attempt goes on.
func TestStdoutThatNobodyReads(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	c := at("out", 0, 1, nil, nil)
	c.Stdout = w
	s, err := connector.OpenSink(ctx, sink("stdout", "lines", nil), c)
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan error)
	go func() { written <- s.Write(batchOf(record.Record{Value: []byte("x")})) }()
	if _, err := r.Read(make([]byte, 1)); err != nil { // one byte of two: the write is under way
		t.Fatal(err)
	}
	cancel()
	if err := <-written; !errors.Is(err, context.Canceled) {
		t.Errorf("write: got error %v, want that of the attempt's end", err)
	}
	if err := s.Flush(); !errors.Is(err, context.Canceled) {
		t.Errorf("flush: got error %v, want that of the attempt's end", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhatASinkCleansUpIsLogged(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".part-open-00000-0.0-0123456789abcdef"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	c := at("out", 0, 1, nil, nil)
	c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s, err := connector.OpenSink(t.Context(), sink("file", "lines", map[string]any{"path": dir}), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if want := "namespace=default job=test operator=out subtask=0 folder=" + dir + " files=1"; !strings.Contains(log.String(), want) {
		t.Errorf("the log does not say %q:\n%s", want, &log)
	}
}
