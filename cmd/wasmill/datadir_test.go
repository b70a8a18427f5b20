package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWorkersFoldersAreTheirOwn(t *testing.T) {
	base := filepath.Join(t.TempDir(), "data")
	lives, err := makeOwnFolder(base)
	if err != nil {
		t.Fatal(err)
	}
	killed, err := makeOwnFolder(base)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(killed.path, "state"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	killed.lock.Close() // as the system does
	next, err := makeOwnFolder(base)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(killed.path); !os.IsNotExist(err) {
		t.Errorf("the folder of a worker that is gone is still there: %v", err)
	}
	if _, err := os.Stat(lives.path); err != nil {
		t.Errorf("the folder of a worker that runs is gone: %v", err)
	}
	for _, f := range []*ownFolder{lives, next} {
		if err := f.remove(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(base); err != nil || len(left) > 0 {
		t.Errorf("left in %s: %v, %v", base, left, err)
	}
}
