package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

// job is one variant of generator → pass-through → discard.
type job struct {
	Name          string
	Module        string // path below the root
	Records       int64
	Rate          int64 // records a second; 0: as fast as it goes
	Keys          int   // 0: records without key
	By            string
	Sources       int // subtasks of the generator
	Parallelism   int // subtasks of the rest
	BufferTimeout string

	Workers int // processes; 0: in one
	CPUs    int // GOMAXPROCS of each process; 0: all
}

// Records have values of 100 bytes: 116 with the header, and the key.
const valueSize = 100

var jobTemplate = template.Must(template.New("job").Parse(`version: 1
job: {{.Name}}
parallelism: {{.Parallelism}}
{{with .BufferTimeout}}bufferTimeout: {{.}}
{{end}}operators:
  in:
    source: generator
    parallelism: {{.Sources}}
    with: {records: {{.Records}}, rate: {{with .Rate}}{{.}}{{else}}max{{end}}, keys: {{.Keys}}, valueSize: ` + fmt.Sprint(valueSize) + `}
  pass:
    module: {{.Module}}
    inputs: [{from: in, by: {{.By}}}]
  out:
    sink: discard
    inputs: [pass]
`))

// jobResult is what wasmill run -o json says.
type jobResult struct {
	State      string  `json:"state"`
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpuSeconds"`
	Operators  map[string]struct {
		RecordsIn uint64 `json:"recordsIn"`
		BytesIn   uint64 `json:"bytesIn"`
	} `json:"operators"`
	LatencyMs *struct {
		P50 float64 `json:"p50"`
		P99 float64 `json:"p99"`
	} `json:"latencyMs"`
}

func (r *jobResult) perSecond() float64 { return float64(r.Operators["out"].RecordsIn) / r.Seconds }
func (r *jobResult) perCPUSecond() float64 {
	return float64(r.Operators["out"].RecordsIn) / r.CPUSeconds
}
func (r *jobResult) bytesPerSecond() float64 {
	return float64(r.Operators["pass"].BytesIn) / r.Seconds
}

// run runs the job to its end and checks that every record came through.
func (l *lab) run(ctx context.Context, j job) (*jobResult, error) {
	file, err := l.writeJob(j)
	if err != nil {
		return nil, err
	}
	return l.runFile(ctx, file, j)
}

// runFile runs a job file for the job that it is.
func (l *lab) runFile(ctx context.Context, file string, j job) (*jobResult, error) {
	cmd := exec.CommandContext(ctx, l.wasmill, "run", file, "-o", "json", "--quiet", "--store", filepath.Join(l.scratch, "store"), fmt.Sprint("--workers=", j.Workers))
	cmd.Env = os.Environ()
	if j.CPUs > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprint("GOMAXPROCS=", j.CPUs))
	}
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run job %s: %w: %s", j.Name, err, strings.TrimSpace(complaints.String()))
	}
	var r jobResult
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return nil, fmt.Errorf("read report of %s: %w", j.Name, err)
	}
	if got := r.Operators["out"].RecordsIn; got != uint64(j.Records) {
		return nil, fmt.Errorf("run job %s: %d of %d records came", j.Name, got, j.Records)
	}
	return &r, nil
}

func (l *lab) writeJob(j job) (string, error) {
	j.Module = filepath.Join(l.root, j.Module)
	var text bytes.Buffer
	if err := jobTemplate.Execute(&text, j); err != nil {
		return "", fmt.Errorf("write job %s: %w", j.Name, err)
	}
	return l.writeFile(j.Name+".yaml", text.String())
}

func (l *lab) writeFile(name, text string) (string, error) {
	path := filepath.Join(l.scratch, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return path, nil
}
