package examples

import (
	"encoding/json"
	"io"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The tour of wordcount's README: what was counted before kill -9 is counted after it.
func TestTourOfKeyedWords(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			terminal := listen(t)
			store := t.TempDir()
			args := append([]string{"run", "--quiet", "wordcount/keyed.yaml", "--store", store, "--set", "operators.in.with.address=" + terminal.Addr().String()}, mode.args...)

			first := begin(t, args...)
			typing := accept(t, terminal)
			typeIn(t, typing, "Hadoop Hadoop Flink Flink Flink\n")
			first.says(t, `{"word":"hadoop","count":2}`, `{"word":"flink","count":3}`)
			// The one after next was begun when these words had been counted.
			enough := newest(t, store) + 2
			until(t, "a checkpoint is there", func() bool { return newest(t, store) >= enough })
			if err := first.command.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-first.ended
			typing.Close()

			refused, _, stderr := command(t, nil, args...)
			if err := refused.Run(); refused.ProcessState.ExitCode() != 5 || !strings.Contains(stderr.String(), "say --from latest") {
				t.Errorf("%v, want exit code 5 and what to do\n%s", err, stderr)
			}

			second := begin(t, append(args, "--from", "latest")...)
			typing = accept(t, terminal)
			typeIn(t, typing, "Hadoop Flink Flink\n")
			typing.Close()
			if err := <-second.ended; err != nil {
				t.Fatalf("%v\n%s", err, second.stderr())
			}
			second.says(t, `{"word":"hadoop","count":3}`, `{"word":"flink","count":5}`)
			if got := strings.Count(second.stdout.String(), "\n"); got != 3 {
				t.Errorf("%d rows after the restart, want one for each word:\n%s", got, second.stdout.String())
			}
		})
	}
}

// A rule that is typed while alerts runs holds from its time on.
func TestRulesChangeWhileAlertsRuns(t *testing.T) {
	events, rules := listen(t), listen(t)
	run := begin(t, "run", "--quiet", "--log-level", "info", "alerts/job.yaml", "--parallelism", "3",
		"--set", "operators.in.source=socket", "--set", "operators.in.with={address: "+address(events)+"}",
		"--set", "operators.rules.source=socket", "--set", "operators.rules.with={address: "+address(rules)+"}",
		"--set", "operators.in.watermark.outOfOrder=0s", "--set", "operators.rules.watermark.idleAfter=50ms",
		"--set", "operators.out.sink=stdout", "--set", "operators.out.with={}")
	var event, rule net.Conn
	var both sync.WaitGroup
	both.Go(func() { event = accept(t, events) })
	both.Go(func() { rule = accept(t, rules) })
	both.Wait()
	if t.Failed() {
		t.FailNow()
	}

	const hour = 3_600_000
	quake := func(net string, at int) { typeIn(t, event, `{"net":"`+net+`","time":`+strconv.Itoa(at)+"}\n") }
	quake("ak", 0)
	quake("ci", 2*hour)
	run.says(t, `{"net":"ak","since":0,"seconds":3600}`)
	typeIn(t, rule, `{"from":"1970-01-01T02:30:00Z","net":"ci","seconds":60}`+"\n")
	until(t, "all subtasks know the rule", func() bool {
		return strings.Count(run.stderr(), "rule: ci is silent after 60 seconds") == 3
	})
	quake("ci", 3*hour)
	quake("ak", 3*hour)
	quake("nc", 3*hour+2*60_000)
	run.says(t, `{"net":"ci","since":10800000,"seconds":60}`)
	if strings.Contains(run.stdout.String(), `"since":7200000`) {
		t.Errorf("ci was not silent at 2 o'clock:\n%s", run.stdout.String())
	}
	event.Close()
	rule.Close()
	if err := <-run.ended; err != nil {
		t.Fatalf("%v\n%s", err, run.stderr())
	}
	got := strings.Split(strings.TrimSpace(run.stdout.String()), "\n")
	slices.Sort(got)
	same(t, got, []string{
		`{"net":"ak","since":0,"seconds":3600}`, `{"net":"ak","since":10800000,"seconds":3600}`,
		`{"net":"ci","since":10800000,"seconds":60}`, `{"net":"nc","since":10920000,"seconds":3600}`,
	})
}

// running is a run under way.
type running struct {
	command        *exec.Cmd
	stdout, errors *written
	ended          chan error
}

// written is output that is read while it is written.
type written struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func begin(t *testing.T, args ...string) *running {
	t.Helper()
	c, _, _ := command(t, nil, args...)
	r := &running{command: c, stdout: new(written), errors: new(written), ended: make(chan error, 1)}
	c.Stdout, c.Stderr = r.stdout, r.errors
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- c.Wait() }()
	return r
}

func (r *running) stderr() string { return r.errors.String() }

// says waits until these lines stand on stdout.
func (r *running) says(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		until(t, line+" on stdout", func() bool { return strings.Contains(r.stdout.String(), line+"\n") })
	}
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience / 2)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func address(l net.Listener) string { return `"` + l.Addr().String() + `"` }

// accept is what nc -lk does when somebody connects.
func accept(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(patience / 2)); err != nil {
		t.Error(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func typeIn(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// newest is the number of the newest checkpoint of wordcount-keyed, 0 before the first.
func newest(t *testing.T, store string) int {
	t.Helper()
	c, stdout, stderr := command(t, nil, "checkpoint", "list", "wordcount-keyed", "--store", store, "-o", "json")
	if err := c.Run(); err != nil {
		if c.ProcessState.ExitCode() == 4 {
			return 0
		}
		t.Fatalf("%v\n%s", err, stderr)
	}
	var history struct{ Checkpoints []struct{ Checkpoint int } }
	if err := json.Unmarshal(stdout.Bytes(), &history); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	n := 0
	for _, entry := range history.Checkpoints {
		n = max(n, entry.Checkpoint)
	}
	return n
}
