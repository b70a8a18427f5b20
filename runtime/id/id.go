// Package id holds the names by which jobs, attempts and subtasks are known in
// every layer: in subjects, paths, logs and messages.
//
// It does not hold names of objects in a store (snapshots) or of NATS subjects
// (exchange, cluster): those are built from these.
package id

import (
	"fmt"
	"regexp"
)

// DefaultNamespace is the namespace of a job that names none.
const DefaultNamespace = "default"

var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62})$`)

// ValidName reports whether s may name a job or a namespace: 1 to 63 of a–z, 0–9
// and '-', not starting with '-', so that it is safe in a path, a subject and a URL.
func ValidName(s string) bool { return namePattern.MatchString(s) }

// Job names a job within its namespace.
type Job struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func (j Job) String() string { return j.Namespace + "/" + j.Name }

// Attempt is one execution of a job's graph. Attempts are ordered: a higher term
// wins, then a higher number.
type Attempt struct {
	Term   uint64 `json:"term"`
	Number uint32 `json:"number"`
}

func (a Attempt) String() string { return fmt.Sprintf("%d.%d", a.Term, a.Number) }

// Before reports whether a is an earlier attempt than b.
func (a Attempt) Before(b Attempt) bool {
	return a.Term < b.Term || a.Term == b.Term && a.Number < b.Number
}

// Subtask is one parallel instance of an operator.
type Subtask struct {
	Operator string `json:"operator"`
	Index    int    `json:"index"`
}

func (s Subtask) String() string { return fmt.Sprintf("%s[%d]", s.Operator, s.Index) }
