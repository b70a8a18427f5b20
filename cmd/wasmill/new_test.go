package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestNew(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		name string
		args []string
		want int
	}{
		{"go by default", []string{"new", "hello"}, exitDone},
		{"in another folder", []string{"new", filepath.Join("sub", "counter"), "--lang", "c", "--shape", "source"}, exitDone},
		{"once more", []string{"new", "hello"}, exitRefused},
		{"no name", []string{"new"}, exitUsage},
		{"a bad name", []string{"new", "Hello"}, exitUsage},
		{"an unknown language", []string{"new", "x", "--lang", "fortran"}, exitUsage},
		{"an unknown shape", []string{"new", "x", "--shape", "cube"}, exitUsage},
	} {
		if got := execute(t.Context(), c.args); got != c.want {
			t.Errorf("%s: exit code %d, want %d", c.name, got, c.want)
		}
	}
	for _, path := range []string{"hello/main.go", "hello/job.yaml", "hello/wasmill/go.mod", "sub/counter/main.c", "sub/counter/wasmill/wasmill.h"} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}
