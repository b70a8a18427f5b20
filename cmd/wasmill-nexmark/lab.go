package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// options are what the flags say.
type options struct {
	only         *regexp.Regexp // nil: all queries
	runs         int
	atLeast      time.Duration
	latencyFor   time.Duration
	rate         int64
	memoryEvents int64
	out, page    string
}

// lab is where queries are checked and measured, and what was found so far.
type lab struct {
	options
	trial.Lab
	queries []trial.Query
	figures *figures
}

func newLab(o options) (*lab, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find tree: %w", err)
	}
	l := &lab{options: o, Lab: trial.Lab{Wasmill: filepath.Join(root, "bin", "wasmill"), Examples: filepath.Join(root, "examples", "nexmark")}}
	if _, err := os.Stat(l.Wasmill); err != nil {
		return nil, errors.New("find bin/wasmill: run make nexmark in the root of the tree")
	}
	for _, q := range trial.Queries {
		if o.only == nil || o.only.MatchString(q.Name) {
			l.queries = append(l.queries, q)
		}
	}
	if len(l.queries) == 0 {
		return nil, errors.New("read -only: it matches no query")
	}
	if l.figures, err = readFigures(o.out); err != nil {
		return nil, err
	}
	if l.Scratch, err = os.MkdirTemp("", "wasmill-nexmark-"); err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	return l, nil
}

func (l *lab) close() { os.RemoveAll(l.Scratch) }

// say tells of progress; results go to stdout.
func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// save writes what was found so far: it takes long, and may be interrupted.
func (l *lab) save() error {
	if err := l.figures.write(l.out); err != nil {
		return err
	}
	return l.figures.writePage(l.page)
}

// wrong is an error if a checked query gave wrong rows.
func (l *lab) wrong() error {
	for _, q := range l.queries {
		if f := l.figures.Queries[q.Name]; f != nil && f.Check != nil && len(f.Check.Failures) > 0 {
			return errors.New("check rows: some are wrong, see above")
		}
	}
	return nil
}
