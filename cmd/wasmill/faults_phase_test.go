package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// phase is what a checkpoint was at when a job was struck, as its traces on the disk tell.
type phase string

// The phases, in their order.
const (
	none     phase = "between" // no trace: between two checkpoints, or barriers are on their way
	prepared phase = "sync"    // a sink has prepared a file, and no subtask has stored its snapshot
	upload   phase = "upload"  // snapshots are being stored
	manifest phase = "log"     // all are stored, the log does not know
	commit   phase = "commit"  // the log knows, and what sinks have prepared is not visible
)

var phases = []phase{none, prepared, upload, manifest, commit}

var (
	numberOfEntry = regexp.MustCompile(`"kind":"checkpoint".*?"checkpoint":(\d+)`)
	numberOfPack  = regexp.MustCompile(`^(\d{20})-.*\.pack$`)
	numberOfPart  = regexp.MustCompile(`^\.part-(\d{20})-`)
)

// diskOf is what the disk tells of a job.
type diskOf struct {
	job       string // its folder in the store
	out       string
	logged    int    // entries of the log that were looked at
	completed uint64 // number of the newest checkpoint
}

func newDisk(store, job, out string) *diskOf {
	return &diskOf{job: filepath.Join(store, "default", "jobs", job), out: out}
}

// phase looks at the disk.
func (d *diskOf) phase(t *testing.T) phase {
	t.Helper()
	d.read(t)
	parts := numbers(t, d.out, numberOfPart)
	if len(parts) > 0 && parts[0] <= d.completed {
		return commit
	}
	packs := numbers(t, filepath.Join(d.job, "packs"), numberOfPack)
	before, now := 0, 0
	for _, n := range packs {
		if n == d.completed {
			before++
		} else if n > d.completed {
			now++
		}
	}
	switch {
	case now > 0 && now == before:
		return manifest
	case now > 0:
		return upload
	case len(parts) > 0:
		return prepared
	}
	return none
}

// read looks through new entries of the log for the newest checkpoint.
func (d *diskOf) read(t *testing.T) {
	t.Helper()
	names := list(t, filepath.Join(d.job, "log"))
	for _, name := range names[min(d.logged, len(names)):] {
		entry, err := os.ReadFile(filepath.Join(d.job, "log", name))
		if os.IsNotExist(err) {
			continue // trimmed meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		if found := numberOfEntry.FindSubmatch(entry); found != nil {
			d.completed = max(d.completed, parse(t, string(found[1])))
		}
	}
	d.logged = len(names)
}

// numbers are those in the names of a folder's files, the lowest first.
func numbers(t *testing.T, folder string, pattern *regexp.Regexp) []uint64 {
	t.Helper()
	var all []uint64
	for _, name := range list(t, folder) {
		if found := pattern.FindStringSubmatch(name); found != nil {
			all = append(all, parse(t, found[1]))
		}
	}
	slices.Sort(all)
	return all
}

func parse(t *testing.T, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// list is the names in a folder, sorted; none if it is not there yet.
func list(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
