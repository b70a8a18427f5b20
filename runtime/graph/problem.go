package graph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxProblems bounds what one job file can make us say.
const maxProblems = 200

// Problem is one thing that is wrong with a job file, or worth a warning.
type Problem struct {
	File    string `json:"file"`             // as it was given, or the --set flag
	Line    int    `json:"line,omitempty"`   // from 1; 0 if the problem has no line
	Column  int    `json:"column,omitempty"` // from 1
	Path    string `json:"path,omitempty"`   // operators.stats.inputs[0].from
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// String is one line: quakes.yaml:14:9: path: message (hint).
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	if p.Path != "" {
		b.WriteString(": " + p.Path)
	}
	b.WriteString(": " + p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Problems is the error of a job file: all that is wrong with it, in its order.
type Problems []Problem

// Error has a line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// findings collects problems and warnings while a job file is read and checked.
type findings struct {
	problems Problems
	warnings Problems
	dropped  int
}

func (f *findings) add(at place, hint, format string, args ...any) {
	if len(f.problems) >= maxProblems {
		f.dropped++
		return
	}
	f.problems = append(f.problems, at.problem(hint, format, args...))
}

func (f *findings) warn(at place, hint, format string, args ...any) {
	if len(f.warnings) < maxProblems {
		f.warnings = append(f.warnings, at.problem(hint, format, args...))
	}
}

// err is nil, or the problems in the order of the file, those of flags last.
func (f *findings) err() error {
	if len(f.problems) == 0 {
		return nil
	}
	ps := sorted(f.problems)
	if f.dropped > 0 {
		ps = append(ps, Problem{File: ps[0].File, Message: fmt.Sprintf("and %d more problems", f.dropped)})
	}
	return ps
}

func sorted(ps Problems) Problems {
	ps = slices.Clone(ps)
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return ps
}

// place is where in which file something stands, and what it is there.
type place struct {
	file         string
	line, column int
	path         string
}

func (at place) problem(hint, format string, args ...any) Problem {
	return Problem{File: at.file, Line: at.line, Column: at.column, Path: at.path, Message: fmt.Sprintf(format, args...), Hint: hint}
}
