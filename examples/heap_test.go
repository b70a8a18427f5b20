package examples

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// heapSum is what the README's command says of a result folder.
func heapSum(t *testing.T, out string) string {
	t.Helper()
	sum, err := exec.Command("sh", "-c", `LC_ALL=C sort "$1"/part-* | cksum`, "sh", out).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, sum)
	}
	return strings.TrimSpace(string(sum))
}

// The model gives out the rows that the README tells of, in both languages, however often
// it is killed.
func TestHeapOutlivesKills(t *testing.T) {
	page := strings.Join(lines(t, "heap/README.md"), "\n")
	for _, model := range []string{"model", "model-cpp"} {
		for _, kills := range []int{0, 3} {
			t.Run(model, func(t *testing.T) {
				out := filepath.Join(t.TempDir(), "out")
				args := []string{"run", "heap/job.yaml", "--quiet", "--log-level", "info", "--store", t.TempDir(), "--set", "operators.in.with.rate=100000",
					"--set", "checkpoint.interval=100ms", "--set", "operators.model.module=heap/" + model + ".wasm", "--set", "operators.out.with.path=" + out}
				killed(t, kills, args)
				if sum := heapSum(t, out); !strings.Contains(page, "`"+sum+"`") {
					t.Errorf("the rows have the sum %s, the README says another", sum)
				}
				if all := rows(t, out); len(all) != 6414 || !strings.Contains(page, "6,414 rows") {
					t.Errorf("%d rows, or the README says another number", len(all))
				}
			})
		}
	}
}

// killed is a run that is killed so many times, each time behind three checkpoints, and
// goes on to its end.
func killed(t *testing.T, kills int, args []string) {
	t.Helper()
	for from := "none"; ; from = "latest" {
		c, _, _ := command(t, nil, append(args, "--from", from)...)
		c.Stderr = nil
		log, err := c.StderrPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		completed, text := 0, ""
		for lines := bufio.NewScanner(log); lines.Scan(); text += lines.Text() + "\n" {
			if strings.Contains(lines.Text(), "checkpoint completed") {
				completed++
			}
			if completed == 3 && kills > 0 {
				if err := c.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		err = c.Wait()
		switch {
		case kills == 0 && err != nil:
			t.Fatalf("%v\n%s", err, text)
		case kills == 0:
			return
		case err == nil:
			t.Fatalf("the run was over before it was killed\n%s", text)
		}
		kills--
	}
}
