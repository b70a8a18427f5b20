package examples

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The tour of jetstream's README, with fewer orders, on a port of its own.
func TestTourOfJetStream(t *testing.T) {
	demo := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.Command("go", "build", "-o", demo, "./jetstream/demo").CombinedOutput(); err != nil {
		t.Fatalf("build demo: %v\n%s", err, out)
	}
	serve := exec.CommandContext(t.Context(), demo, "-url", "nats://127.0.0.1:0", "-dir", t.TempDir(), "serve")
	out, err := serve.StdoutPipe()
	if err == nil {
		err = serve.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { serve.Process.Kill(); serve.Wait() })
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url = strings.TrimSpace(url)
	check := func() (string, error) {
		text, err := exec.CommandContext(t.Context(), demo, "-url", url, "check").CombinedOutput()
		return string(text), err
	}
	store := t.TempDir()
	args := []string{"run", "--quiet", "jetstream/job.yaml", "--store", store, "--set", "checkpoint.interval=200ms",
		"--set", "operators.in.with.url=" + url, "--set", "operators.out.with.url=" + url}
	orders := exec.CommandContext(t.Context(), demo, "-url", url, "-n", "4000", "-rate", "500", "order") // long enough for a slow start
	if err := orders.Start(); err != nil {
		t.Fatal(err)
	}
	first := begin(t, args...)
	until(t, "some totals are out", func() bool {
		text, _ := check()
		return strings.Contains(text, " totals: ") && !strings.Contains(text, ", 0 totals: ")
	})
	if err := first.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.ended
	if text, err := check(); err == nil {
		t.Errorf("all was out before it was killed: the test shows little\n%s", text)
	}
	second := begin(t, append(args, "--from", "latest")...)
	if err := orders.Wait(); err != nil {
		t.Fatal(err)
	}
	const want = "4000 orders of 50 customers, 4000 totals: 0 missing, 0 wrong or doubled\n"
	said := ""
	until(t, "each total is out", func() bool {
		if len(second.ended) > 0 {
			t.Fatalf("the job has ended:\n%s", second.stderr())
		}
		said, _ = check()
		return said == want || strings.Contains(said, ", 4000 totals") || strings.Contains(said, ", 4001 totals")
	})
	if said != want {
		t.Errorf("check says %q, want %q", said, want)
	}
}
