package graph

import (
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/wasmill/wasmill/runtime/id"
)

// parser reads one job file. Every method reports what is wrong and goes on.
type parser struct {
	*findings
	file        string
	options     Options
	dir         string // of the job file, absolute
	job         *Job
	flag        string // the --set that is being read
	substituted int    // bytes of values with variables
}

// Parse reads a job file. The error is Problems: all that can be known without modules
// and connectors. The job is then nil only if nothing could be read; otherwise Build
// takes it, and returns these problems with those it finds itself.
func Parse(file string, data []byte, options Options) (*Job, error) {
	if options.WorkDir == "" {
		options.WorkDir = "/"
	}
	path := file
	if !filepath.IsAbs(path) {
		path = filepath.Join(options.WorkDir, path)
	}
	job := &Job{
		File: file, Namespace: id.DefaultNamespace, Parallelism: max(1, options.DefaultParallelism),
		MaxParallelism: DefaultMaxParallelism, BufferTimeout: DefaultBufferTimeout,
		Checkpoint: defaultCheckpointing(), options: options, dir: filepath.Dir(path),
	}
	p := &parser{findings: &job.findings, file: file, options: options, dir: job.dir, job: job}
	root := p.readTree(data)
	if root == nil {
		return nil, p.err()
	}
	p.substitute(root)
	if root.kind != mapping {
		p.mismatch(root, "the fields of a job", "")
		return nil, p.err()
	}
	for _, override := range options.Set {
		p.set(root, override)
	}
	p.readJob(root)
	return job, p.err()
}

// readers say which fields there are and who reads each.
type readers map[string]func(*value)

// notYet is said of what a job file will be able to say.
const notYet = "does not exist yet in this version of wasmill"

// object reads the fields of a mapping and reports those that are not known.
func (p *parser) object(v *value, known readers) bool {
	if v.kind != mapping {
		p.mismatch(v, "fields", "")
		return false
	}
	for _, f := range v.fields {
		if read, ok := known[f.name]; ok {
			if f.value.kind != refused {
				read(f.value)
			}
			continue
		}
		p.add(f.value.named(), Suggest(f.name, slices.Sorted(maps.Keys(known))), "unknown field")
	}
	return true
}

func (p *parser) readJob(root *value) {
	job := p.job
	p.object(root, readers{
		"version": func(v *value) {
			if n, ok := p.integer(v, 0, math.MaxInt32); ok && n != 1 {
				p.add(v.at(), "write version: 1", "this wasmill does not read version %d", n)
			}
		},
		"job":       func(v *value) { job.Name = p.name(v) },
		"namespace": func(v *value) { job.Namespace = p.name(v) },
		"parallelism": func(v *value) {
			n, _ := p.integer(v, 1, MaxParallelism)
			job.Parallelism = int(n)
		},
		"maxParallelism": func(v *value) {
			job.MaxParallelism = MaxParallelism
			if n, ok := p.integer(v, 1, MaxParallelism); ok {
				job.MaxParallelism = int(n)
			}
		},
		"bufferTimeout": func(v *value) {
			if d, ok := p.duration(v, 0, maxBufferTimeout); ok {
				job.BufferTimeout = d
			}
		},
		"checkpoint": p.readCheckpoint,
		"restart":    p.readRestart,
		"operators":  p.readOperators,
	})
	switch {
	case job.restartV == nil && job.Checkpoint.Interval == 0:
		job.Restart = defaultRestart(RestartNone)
	case job.restartV == nil:
		job.Restart = defaultRestart(RestartExponential)
	case job.Checkpoint.Interval == 0 && job.Restart.Kind != RestartNone:
		p.warn(job.restartV.named(), "write checkpoint: {interval: 10s}", "without checkpoints a job that is restarted begins anew")
	}
	for _, name := range []string{"version", "job", "operators"} {
		if root.get(name) == nil {
			hint := map[string]string{"version": "write version: 1", "job": "write job: NAME", "operators": ""}[name]
			p.add(root.at(), hint, "%s is missing", name)
		}
	}
	if n := p.options.Parallelism; n != 0 {
		flag := place{file: "--parallelism"}
		if n < 1 || n > MaxParallelism {
			p.add(flag, "", "%d is out of range: 1 to %d", n, MaxParallelism)
		}
		job.Parallelism = max(1, min(n, MaxParallelism))
	}
}

// name reads the name of a job or namespace; they become parts of paths and subjects.
func (p *parser) name(v *value) string {
	s, ok := p.text(v)
	if ok && !id.ValidName(s) {
		p.add(v.at(), "a name has 1 to 63 of a–z, 0–9 and -, and does not start with -", "%s is not a name", quote(s))
	}
	return s
}

var operatorName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)

func (p *parser) readOperators(v *value) {
	if v.kind != mapping {
		p.mismatch(v, "operators by their names", "")
		return
	}
	if len(v.fields) == 0 {
		p.add(v.at(), "", "a job has at least one operator")
	}
	for _, f := range v.fields {
		if !operatorName.MatchString(f.name) {
			p.add(f.value.named(), "a name has 1 to 63 of a–z, A–Z, 0–9, _ and -, and starts with a letter", "%s is not a name for an operator", quote(f.name))
		}
		p.job.vertices = append(p.job.vertices, p.readOperator(f.name, f.value))
	}
}

// absolute is a path of the job file or of a flag, made absolute. Relative paths start
// at the file's folder, those of flags at the working directory.
func (p *parser) absolute(v *value, path string) string {
	switch {
	case filepath.IsAbs(path):
		return filepath.Clean(path)
	case v.flag != "":
		return filepath.Join(p.options.WorkDir, path)
	}
	return filepath.Join(p.dir, path)
}

// remote tells paths of modules that are not files.
func remote(path string) bool {
	return strings.HasPrefix(path, "sha256:") || strings.Contains(path, "://")
}
