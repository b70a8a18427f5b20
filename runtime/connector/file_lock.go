package connector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// What an open sink writes to is locked, from its opening to its closing, so that a
// second run into the folder takes nothing away from the first. The system drops the
// locks of a process that dies.

// How long a sink waits for others to leave: the attempt before may be about to end.
const (
	lockPatience = 3 * time.Second
	lockRetry    = 20 * time.Millisecond
)

var errOccupied = errors.New("another run writes to this folder")

// moveIn opens the first file, once nobody else is at work in the folder. The folder
// is locked meanwhile: of two that come at once, the second sees the first.
func (s *fileSink) moveIn(ctx context.Context) error {
	folder, err := os.Open(s.dir)
	if err != nil {
		return s.failed("open folder", err)
	}
	defer folder.Close()
	patience := time.NewTimer(lockPatience)
	defer patience.Stop()
	retry := time.NewTicker(lockRetry)
	defer retry.Stop()
	for {
		free, err := lock(folder)
		if err == nil && free {
			if err = s.lookAround(); err == nil {
				return s.begin()
			}
			unlock(folder)
		}
		if err != nil && !errors.Is(err, errOccupied) {
			return s.failed("clean folder", err)
		}
		select {
		case <-retry.C:
		case <-patience.C:
			return placed(s.dir, "wait for its end, or give every sink and job a folder of its own", fmt.Errorf("open sink: %w", errOccupied))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// lookAround removes what earlier attempts of this subtask staged. Of p subtasks,
// subtask i answers for all files whose subtask number leaves the remainder i when
// divided by p, so that no two meet, nor is any file of a larger run forgotten. In a
// run that goes on, who writes yet is an attempt that was replaced, and what is prepared
// is in no checkpoint: what the one to go on from lists was committed before the sink is
// opened. What a later attempt staged is left alone: this one was replaced, and does not
// know it yet (C1). In a run from nothing who writes is another run, and nothing is touched.
func (s *fileSink) lookAround() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var staged []string
	var earlier []earlierFile
	for _, entry := range entries {
		part, ok := parsePart(entry.Name())
		if !ok || !s.answersFor(part) || s.c.Restore != nil && part.stage == visible {
			continue
		}
		path := filepath.Join(s.dir, entry.Name())
		if part.stage == visible {
			if f, ok := identify(s.dir, entry.Name()); ok {
				earlier = append(earlier, f)
			}
			continue
		}
		if s.c.Restore == nil && part.stage == writing && isLocked(path) {
			return errOccupied
		}
		if s.c.Restore != nil && s.c.Attempt.Before(part.attempt) {
			continue
		}
		staged = append(staged, path)
	}
	if len(staged) > 0 {
		s.c.log().Info("removes what an earlier attempt left", "folder", s.dir, "files", len(staged))
	}
	for _, path := range staged {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if s.folders != nil && s.c.Restore == nil {
		below, err := s.folders.earlier()
		if err != nil {
			return err
		}
		earlier = append(earlier, below...)
	}
	s.earlier = earlier
	return nil
}

func (s *fileSink) answersFor(p part) bool { return p.subtask%s.c.Parallelism == s.c.Subtask.Index }

// lock locks a file until it is closed; false if another has it. On file systems that
// know no locks everything is free.
func lock(file *os.File) (bool, error) {
	for {
		switch err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
		case unix.EINTR:
		case unix.EWOULDBLOCK:
			return false, nil
		case nil, unix.ENOLCK, unix.ENOTSUP, unix.ENOSYS, unix.EBADF, unix.EINVAL:
			return true, nil
		default:
			return false, os.NewSyscallError("flock", err)
		}
	}
}

func unlock(file *os.File) { _ = unix.Flock(int(file.Fd()), unix.LOCK_UN) }

// isLocked reports whether somebody has a file locked.
func isLocked(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	free, err := lock(file)
	return err == nil && !free
}
