package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// lab is where queries are checked and measured, and what was found so far.
type lab struct {
	options
	trial.Lab
	queries  []trial.Query
	figures  *figures
	began    time.Time
	revision string   // of the tree
	failed   []string // what could not be measured
}

func newLab(ctx context.Context, o options) (*lab, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find tree: %w", err)
	}
	l := &lab{
		options: o, Lab: trial.Lab{Wasmill: filepath.Join(root, "bin", "wasmill"), Examples: filepath.Join(root, "examples", "nexmark")},
		began: now(), revision: revisionOf(ctx, root),
	}
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
	if err := onDisk(os.TempDir()); err != nil {
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

// attempt measures one thing. If that can't be done it is told of, at once and at the
// end, and the next thing can be measured.
func (l *lab) attempt(ctx context.Context, what string, measure func() error) error {
	if err := measure(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.say("measure %s: %v", what, err)
		l.failed = append(l.failed, what)
	}
	return l.save()
}

// failure is an error if something could not be measured.
func (l *lab) failure() error {
	if len(l.failed) == 0 {
		return nil
	}
	return fmt.Errorf("measure queries: there is no figure of %s, see above", strings.Join(l.failed, ", "))
}

// save writes what was found so far: it takes long, and may be interrupted.
func (l *lab) save() error {
	for _, f := range l.checkedNow() {
		f.CheckRevision = l.revision
	}
	if err := l.figures.write(l.out); err != nil {
		return err
	}
	return l.figures.writePage(l.page)
}

// checkedNow are the queries that this call has checked.
func (l *lab) checkedNow() (all []*queryFigures) {
	for _, f := range l.figures.Queries {
		if f.Check != nil && !f.Check.At.Before(l.began) {
			all = append(all, f)
		}
	}
	return all
}

// wrong is an error if a query that this call has checked gave wrong rows.
func (l *lab) wrong() error {
	for _, f := range l.checkedNow() {
		if len(f.Check.Failures) > 0 {
			return errors.New("check rows: some are wrong, see above")
		}
	}
	return nil
}
