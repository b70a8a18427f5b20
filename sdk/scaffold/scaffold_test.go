package scaffold_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/sdk/scaffold"
)

// TestProjects writes every project, and builds and tests it as its user would: with
// make, without a network, and its job with wasmill.
func TestProjects(t *testing.T) {
	tools, err := filepath.Abs("../../.tools")
	if err != nil {
		t.Fatal(err)
	}
	wasmill := filepath.Join(t.TempDir(), "wasmill")
	if out, err := exec.Command("go", "build", "-o", wasmill, "../../cmd/wasmill").CombinedOutput(); err != nil {
		t.Fatalf("build wasmill: %v\n%s", err, out)
	}
	for _, lang := range scaffold.Languages {
		for _, shape := range scaffold.Shapes {
			t.Run(lang+"/"+shape, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "hello")
				if err := scaffold.Write(dir, "hello", lang, shape); err != nil {
					t.Fatal(err)
				}
				make := exec.Command("make", "-C", dir, "hello.wasm", "test",
					"ZIG="+tools+"/zig/bin/python -m ziglang",
					"ZIG_GLOBAL_CACHE_DIR="+tools+"/zig-cache", "ZIG_LOCAL_CACHE_DIR="+tools+"/zig-cache")
				make.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "MAKEFLAGS=")
				if out, err := make.CombinedOutput(); err != nil {
					t.Fatalf("make: %v\n%s", err, out)
				}
				wasm, err := os.ReadFile(filepath.Join(dir, "hello.wasm"))
				if err != nil || !strings.HasPrefix(string(wasm), "\x00asm") {
					t.Errorf("hello.wasm is no module: %v", err)
				}
				if out, err := exec.Command(wasmill, "test", filepath.Join(dir, "job.test.yaml"), "--cache-dir", t.TempDir()).CombinedOutput(); err != nil {
					t.Errorf("test its job: %v\n%s", err, out)
				}
				if out, err := exec.Command("make", "-C", dir, "-q", "hello.wasm", "ZIG=zig").CombinedOutput(); err != nil {
					t.Errorf("hello.wasm is built twice: %s", out)
				}
			})
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, dir, project, lang, shape string
		class                           error
		says                            string
	}{
		{"capitals", t.TempDir(), "Hello", "go", "process", scaffold.ErrInvalid, `"Hello"`},
		{"a path", t.TempDir(), "../x", "go", "process", scaffold.ErrInvalid, `"../x"`},
		{"no name", t.TempDir(), "", "go", "process", scaffold.ErrInvalid, `""`},
		{"the name of the source", t.TempDir(), "in", "go", "process", scaffold.ErrInvalid, "something else"},
		{"a language", t.TempDir(), "hello", "cobol", "process", scaffold.ErrInvalid, "go, c, cpp"},
		{"a shape", t.TempDir(), "hello", "go", "round", scaffold.ErrInvalid, "process, source"},
		{"a folder with files", full, "hello", "go", "process", fs.ErrExist, full},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := scaffold.Write(c.dir, c.project, c.lang, c.shape)
			if !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want %v that says %s", err, c.class, c.says)
			}
			if entries, _ := os.ReadDir(c.dir); c.dir != full && len(entries) > 0 || c.dir == full && len(entries) != 1 {
				t.Errorf("left %d files behind", len(entries))
			}
		})
	}
}
