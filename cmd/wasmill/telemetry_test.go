package main

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

func TestMetricsAreServedWhileAJobRuns(t *testing.T) {
	p := startJob(t, t.TempDir(), "--metrics", "127.0.0.1:0")
	found := regexp.MustCompile(`url=(\S+)`).FindStringSubmatch(p.stderr.String())
	if found == nil {
		t.Fatalf("no address in:\n%s", p.stderr)
	}
	var text string
	waitUntil(t, "records are counted", func() bool {
		response, err := http.Get(found[1])
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		text = string(body)
		return regexp.MustCompile(`wasmill_records_in_total\{[^}]*operator="out"[^}]*\} [1-9]`).MatchString(text)
	})
	for _, want := range []string{
		`job="endless"`, `namespace="default"`, `subtask="1"`, "wasmill_records_out_total", "wasmill_bytes_in_total",
		"wasmill_busy_seconds_total", "wasmill_backpressured_seconds_total", "wasmill_records_rejected_total", "wasmill_job_running",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in:\n%s", want, text)
		}
	}
	signalTo(t, p.cmd.Process.Pid, syscall.SIGINT)
	p.wait(t, atLongest)
}
