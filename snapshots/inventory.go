package snapshots

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/wasmill/wasmill/runtime/id"
)

// Jobs finds the jobs of a namespace that have a log; of all namespaces, if none is
// given. It reads names only.
func Jobs(ctx context.Context, s Store, namespace string) (jobs []id.Job, err error) {
	prefix := ""
	if namespace != "" {
		prefix = namespace + "/jobs/"
	}
	for o, err := range s.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list jobs: %w", err)
		}
		f := strings.SplitN(o.Name, "/", 4)
		if len(f) < 4 || f[1] != "jobs" {
			continue
		}
		if _, ok := parseEntryName(f[3]); !ok {
			continue
		}
		job := id.Job{Namespace: f[0], Name: f[2]}
		if len(jobs) == 0 || jobs[len(jobs)-1] != job {
			jobs = append(jobs, job)
		}
	}
	slices.SortFunc(jobs, func(a, b id.Job) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return jobs, nil
}

// Savepoints finds the names of a job's savepoints: those with a manifest.
func Savepoints(ctx context.Context, s Store, job id.Job) (names []string, err error) {
	folder := job.Namespace + "/savepoints/" + job.Name + "/"
	for o, err := range s.List(ctx, folder) {
		if err != nil {
			return nil, fmt.Errorf("list savepoints of %s: %w", job, err)
		}
		name, rest, _ := strings.Cut(strings.TrimPrefix(o.Name, folder), "/")
		if rest == manifestName {
			names = append(names, name)
		}
	}
	return names, nil
}
