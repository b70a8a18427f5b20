package connector_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

const byMinute = "dt=%Y-%m-%d/hm=%H:%M"

// results are the texts of the files below a folder that a reader sees, by path.
func results(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		found[name] = string(text)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return found
}

// foldered is a job that writes into folders: it opens, writes, prepares and commits.
type foldered struct {
	t                *testing.T
	dir, partitionBy string
}

func (f foldered) open() operator.TwoPhaseSink {
	f.t.Helper()
	s, err := connector.OpenSink(f.t.Context(), sink("file", "lines", map[string]any{"path": f.dir, "partitionBy": f.partitionBy}), at("out", 0, 1, nil, nil))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { s.Close() })
	return s.(operator.TwoPhaseSink)
}

// run is a whole run from nothing: checkpoint 1 has the records.
func (f foldered) run(records ...record.Record) error {
	f.t.Helper()
	s := f.open()
	defer s.Close()
	if err := s.Write(batchOf(records...)); err != nil {
		return err
	}
	tx, err := s.Prepare(1)
	if err != nil {
		return err
	}
	return committer(f.t, f.dir).Commit(f.t.Context(), tx)
}

func TestFoldersOfRecords(t *testing.T) {
	day := time.Date(2026, 3, 1, 23, 59, 59, 999e6, time.UTC).UnixMilli()
	key := func(k string) record.Record { return record.Record{Timestamp: day, Key: []byte(k)} }
	for _, c := range []struct {
		partitionBy string
		r           record.Record
		want        string
	}{
		{byMinute, record.Record{Timestamp: day}, "dt=2026-03-01/hm=23:59"},
		{byMinute, record.Record{Timestamp: day + 1}, "dt=2026-03-02/hm=00:00"},
		{byMinute, record.Record{Timestamp: -1}, "dt=1969-12-31/hm=23:59"},
		{byMinute, record.Record{Timestamp: record.NoTimestamp}, "dt=_-_-_/hm=_:_"},
		{"%Y", record.Record{Timestamp: math.MaxInt64 - 1}, "292278994"},
		{"%Y", record.Record{Timestamp: math.MinInt64 + 1}, "-292275055"},
		{"%Y%m", record.Record{Timestamp: day}, "202603"},
		{"{key}", key("Oslo"), "Oslo"},
		{"{key}", key(""), "_"},
		{"{key}", record.Record{Kind: record.KeyAbsent}, "_"},
		{"{key}", key("_"), "%5F"},
		{"{key}", key("__"), "__"},
		{"{key}", key(".."), "%2E."},
		{"{key}", key("../a b%\x00é"), "%2E.%2Fa%20b%25%00%C3%A9"},
		{"of {key}/%H", key("a"), "of a/23"},
	} {
		f := foldered{t, t.TempDir(), c.partitionBy}
		c.r.Value = []byte("x")
		if err := f.run(c.r); err != nil {
			t.Errorf("%s: %v", c.partitionBy, err)
		}
		if diff := cmp.Diff(map[string]string{c.want + "/" + firstPart: "x\n"}, results(t, f.dir)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.partitionBy, diff)
		}
	}
}

func TestPartitionByIsChecked(t *testing.T) {
	spec, _ := connector.Catalog().Sink("file")
	i := slices.IndexFunc(spec.Fields, func(f graph.Field) bool { return f.Name == "partitionBy" })
	for text, problem := range map[string]string{
		byMinute: "", "{key}": "", "a%Yb{key}c/d": "",
		"":          "must be names of folders",
		"/%Y":       "must be names of folders",
		"%Y/":       "must be names of folders",
		"%Y//%m":    "must be names of folders",
		"../%Y":     "must be names of folders",
		"%Y/.h":     "must be names of folders",
		"plain":     "must have one of",
		"%y":        "must be text with",
		"%Y%":       "must be text with",
		"%%Y":       "must be text with",
		"{Key}":     "must be text with",
		"%Y}":       "must be text with",
		"%Y\x00":    "must be text with",
		"{key":      "must be text with",
		"{subtask}": "must be text with",
	} {
		value, _ := json.Marshal(text)
		err := spec.Fields[i].Check(value)
		if problem == "" && err != nil || problem != "" && (err == nil || !strings.Contains(err.Error(), problem)) {
			t.Errorf("%q: got error %v, want %q", text, err, problem)
		}
	}
}

// More folders than files may be open, and each gets records again and again.
func TestManyFolders(t *testing.T) {
	const folders, rounds = 300, 5
	f := foldered{t, t.TempDir(), "{key}"}
	s := f.open()
	want := map[string]string{}
	for round := range rounds {
		for i := range folders {
			key, value := fmt.Sprint("k", i), fmt.Sprint(round, " ", i)
			if err := s.Write(batchOf(record.Record{Key: []byte(key), Value: []byte(value)})); err != nil {
				t.Fatal(err)
			}
			want[key+"/"+firstPart] += value + "\n"
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		if n := len(openFiles(t, f.dir)); n > 65 {
			t.Errorf("%d files are open at once", n)
		}
	}
	tx, err := s.Prepare(1)
	if err != nil {
		t.Fatal(err)
	}
	if len(results(t, f.dir)) != 0 {
		t.Error("results are visible before the commit")
	}
	if err := errors.Join(committer(t, f.dir).Commit(t.Context(), tx), s.Close()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, results(t, f.dir)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// openFiles are the files below a folder that this process has open.
func openFiles(t *testing.T, dir string) (open []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(links) == 0 {
		t.Fatalf("the system does not tell what files are open: %v", err)
	}
	for _, link := range links {
		if path, err := os.Readlink(link); err == nil && strings.HasPrefix(path, dir+"/") {
			open = append(open, path)
		}
	}
	return open
}

func TestFoldersThatCannotBe(t *testing.T) {
	f := foldered{t, t.TempDir(), "k={key}"}
	long := strings.Repeat("x", 254)
	wantFault(t, f.run(record.Record{Key: []byte(long)}), f.dir, "can't be a folder", "at most 255 bytes")
	if err := f.run(record.Record{Key: []byte(long[1:]), Value: []byte("x")}); err != nil {
		t.Errorf("a name of 255 bytes: %v", err)
	}
	var many []record.Record
	for i := range 10_001 {
		many = append(many, record.Record{Key: fmt.Append(nil, i)})
	}
	f.dir = t.TempDir()
	wantFault(t, f.run(many...), f.dir, "more than 10000 folders", "take checkpoints more often")
}

// What would be in the way of the commit is told when it is prepared.
func TestPrepareRefusesAFolderThatIsAFile(t *testing.T) {
	f := foldered{t, write(t, map[string]string{"dt=1970-01-01": "mine"}), byMinute}
	wantFault(t, f.run(record.Record{Value: []byte("x")}), filepath.Join(f.dir, "dt=1970-01-01"), "make folder: it is a file", "in the way")
	f.dir = t.TempDir()
	taken := filepath.Join(f.dir, "dt=1970-01-01", "hm=00:00", firstPart)
	if err := os.MkdirAll(taken, 0o777); err != nil {
		t.Fatal(err)
	}
	wantFault(t, f.run(record.Record{Value: []byte("x")}), taken, "a file of this name is there", "a folder of its own")
}

// A run from nothing takes away what earlier ones left, in any folder of the pattern,
// and the folders that are empty then. All else stays.
func TestARunReplacesResultsInFolders(t *testing.T) {
	f := foldered{t, t.TempDir(), byMinute}
	minute := func(n int64) record.Record {
		return record.Record{Timestamp: n * 60_000, Value: fmt.Append(nil, n)}
	}
	if err := f.run(minute(0), minute(1), minute(60*24), minute(60*48)); err != nil {
		t.Fatal(err)
	}
	kept := map[string]string{
		"dt=1970-01-02/hm=00:00/notes": "mine", "other/hm=00:00/" + firstPart: "another's",
		"dt=1970-01-01/" + firstPart: "not of this depth",
	}
	for name, text := range kept {
		path := filepath.Join(f.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(text), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(f.dir, "part-00000000000000000007-00000"), []byte("of a run without folders"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := f.run(minute(1), minute(2)); err != nil {
		t.Fatal(err)
	}
	want := maps.Clone(kept)
	want["dt=1970-01-01/hm=00:01/"+firstPart] = "1\n"
	want["dt=1970-01-01/hm=00:02/"+firstPart] = "2\n"
	if diff := cmp.Diff(want, results(t, f.dir)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, gone := range []string{"dt=1970-01-01/hm=00:00", "dt=1970-01-03"} {
		if _, err := os.Stat(filepath.Join(f.dir, gone)); !os.IsNotExist(err) {
			t.Errorf("%s is still there (%v)", gone, err)
		}
	}
}

// One removes earlier results and the folders that are empty then, while others commit
// into the same folders.
func TestFoldersComeAndGoAtOnce(t *testing.T) {
	const rounds, parallelism = 50, 4
	dir := t.TempDir()
	op := sink("file", "lines", map[string]any{"path": dir, "partitionBy": byMinute})
	for round := range rounds {
		var sinks []operator.Sink
		var all []operator.Transaction
		for i := range parallelism {
			s, err := connector.OpenSink(t.Context(), op, at("out", i, parallelism, nil, nil))
			if err == nil {
				err = s.Write(batchOf(record.Record{Timestamp: int64(round%2) * 60_000, Value: fmt.Append(nil, i)}))
			}
			if err != nil {
				t.Fatal(err)
			}
			tx, err := s.(operator.TwoPhaseSink).Prepare(uint64(round + 1))
			if err != nil {
				t.Fatal(err)
			}
			sinks, all = append(sinks, s), append(all, tx)
		}
		begin := make(chan struct{})
		var group sync.WaitGroup
		for _, tx := range slices.Concat(all, all) {
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
		if got := results(t, dir); len(got) != parallelism || t.Failed() {
			t.Fatalf("round %d: got %v", round, got)
		}
		for _, s := range sinks {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestCommitterRefusesFolders(t *testing.T) {
	const staged = `".part-00000000000000000001-00000-1.1-0123456789abcdef"`
	for _, folder := range []string{"../x", "/x", "a/../b", "a/./b", "a//b", ".hidden", "a/.b", "a/", strings.Repeat("x", 256)} {
		tx := fmt.Sprintf(`{"checkpoint":1,"parts":[{"folder":%q,"staged":%s}]}`, folder, staged)
		err := committer(t, t.TempDir()).Commit(t.Context(), operator.Transaction(tx))
		if !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "is no folder of results") {
			t.Errorf("folder %q: got error %v", folder, err)
		}
	}
	tx := `{"checkpoint":1,"parts":[{"folder":"a","staged":""}]}`
	if err := committer(t, t.TempDir()).Commit(t.Context(), operator.Transaction(tx)); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("a part without a name: got error %v", err)
	}
}
