package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

// counting is a job with keyed state: it counts the records of each key. Each pair of
// key and count comes out once.
func counting(t *testing.T, name, out, settings string, records int) (file string) {
	t.Helper()
	module, err := filepath.Abs("../../sdk/c/example/running.wasm")
	must(t, err)
	if _, err := os.Stat(module); err != nil {
		t.Fatalf("%v (build it with: make guests)", err)
	}
	file = filepath.Join(t.TempDir(), "job.yaml")
	text := fmt.Sprintf(`
version: 1
job: %s
parallelism: 2
%s
operators:
  in: {source: generator, with: {records: %d, rate: 20000, keys: 100, valueSize: 20}}
  count: {module: %s, inputs: [{from: in, by: key}]}
  out: {sink: file, inputs: [count], with: {path: %q}, encode: json}
`, name, settings, records, module, out)
	must(t, os.WriteFile(file, []byte(text), 0o644))
	return file
}

const often = `
checkpoint: {interval: 100ms}
restart: {fixed: {delay: 10ms, attempts: 1000}}`

// countsOf are the counts that came out, by key, sorted.
func countsOf(t *testing.T, rows []string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, row := range rows {
		var r struct{ Key, Value string }
		must(t, json.Unmarshal([]byte(row), &r))
		all[r.Key] = append(all[r.Key], fmt.Sprintf("%8s", r.Value))
	}
	for _, counts := range all {
		slices.Sort(counts)
	}
	return all
}

// sameCounts compares output with that of a run without faults; what came twice, if it
// may, counts once.
func sameCounts(t *testing.T, got, want []string, twice bool) {
	t.Helper()
	counts := countsOf(t, got)
	for key, all := range countsOf(t, want) {
		if twice {
			counts[key] = slices.Compact(counts[key])
		}
		if !slices.Equal(counts[key], all) {
			t.Errorf("key %s: %d counts, want %d, as without faults", key, len(counts[key]), len(all))
		}
	}
}

// reference is the output of the job without faults.
func reference(t *testing.T, records int) []string {
	t.Helper()
	out := t.TempDir()
	p := start(t, counting(t, "reference", out, often, records), t.TempDir())
	if code := p.wait(t, time.Minute); code != exitDone {
		t.Fatalf("exit code %d:\n%s", code, p.stderr)
	}
	all := rows(t, out)
	if len(all) != records {
		t.Fatalf("%d rows", len(all))
	}
	return all
}

// killed runs a job until it has completed some checkpoints, and kills it.
func killed(t *testing.T, job, store string, checkpoints int, args ...string) *process {
	t.Helper()
	p := start(t, job, store, args...)
	waitUntil(t, "checkpoints complete", func() bool { return p.completed() >= checkpoints || p.over() })
	signalTo(t, p.cmd.Process.Pid, syscall.SIGKILL)
	p.wait(t, atLongest)
	return p
}

func stateOf(t *testing.T, store *jobStore, job string) snapshots.State {
	t.Helper()
	log := snapshots.Log{Store: store.store, Job: id.Job{Namespace: "default", Name: job}}
	state, err := log.Read(t.Context())
	must(t, err)
	return state
}

func namesOf(t *testing.T, s *jobStore, prefix string) (names []string) {
	t.Helper()
	for o, err := range s.store.List(t.Context(), prefix) {
		must(t, err)
		names = append(names, o.Name)
	}
	return names
}

func opened(t *testing.T, url string) *jobStore {
	t.Helper()
	s, err := openStore(t.Context(), url)
	must(t, err)
	return s
}

// Everything dies, workers and coordinator, and goes on from a bucket. Secrets are in
// no argument and no log.
func TestARunGoesOnFromABucket(t *testing.T) {
	server := storetest.StartMinIO(t)
	url, secret := server.URL("jobs"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	const records = 60_000
	want := reference(t, records)
	out := t.TempDir()
	job := counting(t, "bucket", out, often, records)
	p := start(t, job, url, "--workers", "2")
	supervisors, engines := p.family(t)
	for _, pid := range append(append(supervisors, engines...), p.cmd.Process.Pid) {
		line := commandLine(pid)
		if line == "" || strings.Contains(line, secret) {
			t.Errorf("a secret is in the arguments, or the process is gone: %q", line)
		}
	}
	waitUntil(t, "checkpoints complete", func() bool { return p.completed() >= 3 })
	signalTo(t, p.cmd.Process.Pid, syscall.SIGKILL)
	p.wait(t, atLongest)
	again := start(t, job, url, "--workers", "2", "--from", "latest")
	if code := again.wait(t, time.Minute); code != exitDone {
		t.Fatalf("exit code %d:\n%s", code, again.stderr)
	}
	sameCounts(t, rows(t, out), want, false)
	for _, p := range []*process{p, again} {
		if strings.Contains(p.stderr.String(), secret) {
			t.Errorf("a secret is logged:\n%s", p.stderr)
		}
	}
}

// Row 12: what is damaged is named, and the checkpoint before is taken. What the newest
// one had made visible comes again, and is the same.
func TestDamagedStateFallsBack(t *testing.T) {
	const records = 60_000
	want := reference(t, records)
	for name, c := range map[string]struct {
		damage func(t *testing.T, s *jobStore, newest *snapshots.Checkpoint) (says string)
	}{
		"a byte within a pack": {func(t *testing.T, s *jobStore, c *snapshots.Checkpoint) string {
			runs := c.Operator("count").Subtasks[1].Runs
			section := runs[len(runs)-1]
			flip(t, s, "default/jobs/damaged/"+section.Pack, section.Offset+section.Stored/4)
			return section.Pack
		}},
		"a pack is gone": {func(t *testing.T, s *jobStore, c *snapshots.Checkpoint) string {
			runs := c.Operator("count").Subtasks[0].Runs
			pack := runs[len(runs)-1].Pack
			must(t, s.store.Delete(t.Context(), "default/jobs/damaged/"+pack))
			return pack
		}},
		"an entry of the log": {func(t *testing.T, s *jobStore, c *snapshots.Checkpoint) string {
			flip(t, s, fmt.Sprintf("default/jobs/damaged/log/%020d.json", c.Entry), 200)
			return fmt.Sprintf("log entry %d", c.Entry)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, url := t.TempDir(), t.TempDir()
			job := counting(t, "damaged", out, often, records)
			killed(t, job, url, 4)
			store := opened(t, url)
			state := stateOf(t, store, "damaged")
			before := state.Checkpoints[1].Manifest.Checkpoint
			says := c.damage(t, store, state.Newest())
			again := start(t, job, url, "--from", "latest")
			if code := again.wait(t, time.Minute); code != exitDone {
				t.Fatalf("exit code %d:\n%s", code, again.stderr)
			}
			text := again.stderr.String()
			alarm := fmt.Sprintf(`to="checkpoint %d"`, before)
			if strings.Count(text, "state is damaged") != 1 || !strings.Contains(text, alarm) || !strings.Contains(text, says) {
				t.Errorf("no alarm that names %s and %s, once:\n%s", says, alarm, text)
			}
			sameCounts(t, rows(t, out), want, true)
		})
	}
}

// flip changes one byte of an object.
func flip(t *testing.T, s *jobStore, name string, at int64) {
	t.Helper()
	data, err := snapshots.ReadAll(t.Context(), s.store, name, 1<<30)
	must(t, err)
	data[at] ^= 1
	must(t, s.store.Put(t.Context(), name, bytes.NewReader(data), int64(len(data))))
}

// C3: with nothing sound left the job does not start, and nothing is written.
func TestNoSoundCheckpointIsRefused(t *testing.T) {
	url := t.TempDir()
	job := counting(t, "lost", t.TempDir(), often, 60_000)
	killed(t, job, url, 3)
	store := opened(t, url)
	for _, name := range namesOf(t, store, "default/jobs/lost/packs/") {
		must(t, store.store.Delete(t.Context(), name))
	}
	before := namesOf(t, store, "")
	p := start(t, job, url, "--from", "latest")
	code, text := p.wait(t, atLongest), p.stderr.String()
	if code != exitRefused || !strings.Contains(text, "--from none") || !strings.Contains(text, "object not found") {
		t.Errorf("exit code %d, want %d:\n%s", code, exitRefused, text)
	}
	if after := namesOf(t, store, ""); !slices.Equal(before, after) {
		t.Errorf("something was written: %q, before %q", after, before)
	}
}

// However many checkpoints a job has completed, what lies in the store is what the
// retained ones consist of, and a bounded part of the log.
func TestObjectsAreBounded(t *testing.T) {
	server := storetest.StartMinIO(t)
	for name, url := range map[string]string{"folder": t.TempDir(), "bucket": server.URL("bounded")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := `
checkpoint: {interval: 10ms, retain: {count: 2}}`
			p := start(t, counting(t, "bounded", t.TempDir(), settings, 100_000_000), url, "--workers", "2") // more than it comes to
			store := opened(t, url)
			most := 0
			waitUntil(t, "60 checkpoints complete", func() bool {
				most = max(most, len(namesOf(t, store, "default/jobs/bounded/packs/")))
				return p.completed() >= 60 || p.over()
			})
			signalTo(t, p.cmd.Process.Pid, syscall.SIGTERM)
			if code := p.wait(t, atLongest); code != exitInterrupted {
				t.Fatalf("exit code %d:\n%s", code, p.stderr)
			}
			// Two packs each: of those retained, those that they build on, and those in flight.
			if completed := p.completed(); completed < 60 || most > 60 {
				t.Errorf("%d packs at most with %d checkpoints completed", most, completed)
			}
			live := map[string]bool{}
			state := stateOf(t, store, "bounded")
			if n := len(state.Checkpoints); n != 2 {
				t.Errorf("%d checkpoints are retained", n)
			}
			folder := snapshots.Folder{Store: store.store, Path: "default/jobs/bounded"}
			for i := range state.Checkpoints {
				m := &state.Checkpoints[i].Manifest
				must(t, folder.Check(t.Context(), m, snapshots.Full))
				for _, pack := range m.Packs() {
					live[folder.Path+"/"+pack] = true
				}
			}
			for _, pack := range namesOf(t, store, folder.Path+"/packs/") {
				if !live[pack] {
					t.Errorf("%s is left over", pack)
				}
			}
			if entries := namesOf(t, store, folder.Path+"/log/"); len(entries) > 2*snapshots.TrimAfter+10 {
				t.Errorf("%d entries of the log", len(entries))
			}
			if text := p.stderr.String(); strings.Contains(text, "not deleted") {
				t.Errorf("deletion failed:\n%s", text)
			}
		})
	}
}

func TestCheckpointsAreDeletedWithTheirJob(t *testing.T) {
	for name, c := range map[string]struct {
		retain string
		strike func(t *testing.T, p *process)
		code   int
		kept   bool
	}{
		"canceled, delete": {"{onCancel: delete}", cancel, exitInterrupted, false},
		"canceled, keep":   {"{onFailure: delete}", cancel, exitInterrupted, true},
		"failed, delete":   {"{onFailure: delete}", killWorker, exitFailed, false},
		"failed, keep":     {"{onCancel: delete}", killWorker, exitFailed, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := t.TempDir()
			settings := fmt.Sprintf(`
checkpoint: {interval: 100ms, retain: %s}
restart: none`, c.retain)
			job := counting(t, "ended", t.TempDir(), settings, 400_000)
			p := start(t, job, url, "--workers", "2")
			waitUntil(t, "checkpoints complete", func() bool { return p.completed() >= 3 || p.over() })
			c.strike(t, p)
			if code := p.wait(t, atLongest); code != c.code {
				t.Fatalf("exit code %d, want %d:\n%s", code, c.code, p.stderr)
			}
			store := opened(t, url)
			state, packs := stateOf(t, store, "ended"), namesOf(t, store, "default/jobs/ended/packs/")
			if kept := len(state.Checkpoints) > 0 && len(packs) > 0; kept != c.kept || !c.kept && len(packs) > 0 {
				t.Errorf("%d checkpoints, packs %q", len(state.Checkpoints), packs)
			}
			again := start(t, job, url)
			waitUntil(t, "it starts or is refused", func() bool {
				return again.over() || strings.Contains(again.stderr.String(), "to=running")
			})
			if refused := again.over(); refused != c.kept {
				t.Errorf("refused: %v\n%s", refused, again.stderr)
			}
		})
	}
}

func cancel(t *testing.T, p *process) { signalTo(t, p.cmd.Process.Pid, syscall.SIGINT) }

func killWorker(t *testing.T, p *process) {
	_, engines := p.family(t)
	signalTo(t, engines[0], syscall.SIGKILL)
}

// Row 11: the server of the store dies under a job and comes back. Checkpoints fail
// meanwhile, the job goes on.
func TestAStoreThatIsAwayForAWhile(t *testing.T) {
	server := storetest.StartMinIO(t)
	const records = 240_000
	out := t.TempDir()
	settings := `
checkpoint: {interval: 100ms, tolerableFailures: 1000}
restart: none`
	p := start(t, counting(t, "away", out, settings, records), server.URL("away"))
	waitUntil(t, "checkpoints complete", func() bool { return p.completed() >= 3 || p.over() })
	server.Kill()
	waitUntil(t, "one fails", func() bool { return strings.Contains(p.stderr.String(), "checkpoint aborted") || p.over() })
	server.Start(t)
	before := p.completed()
	waitUntil(t, "they complete again", func() bool { return p.completed() >= before+3 || p.over() })
	if code := p.wait(t, time.Minute); code != exitDone {
		t.Fatalf("exit code %d:\n%s", code, p.stderr)
	}
	if p.completed() < before+3 {
		t.Errorf("%d checkpoints, %d before the server came back", p.completed(), before)
	}
	for key, counts := range countsOf(t, rows(t, out)) {
		for i, n := range counts {
			if n != fmt.Sprintf("%8d", i+1) {
				t.Fatalf("key %s: count %d is %s", key, i+1, n)
			}
		}
	}
	if n := len(rows(t, out)); n != records {
		t.Errorf("%d rows, want %d", n, records)
	}
}
