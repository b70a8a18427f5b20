package wasmill_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/wasmill/wasmill"

// layers are the lines of the house, lowest first: a package imports only lower lines.
// An entry covers the packages below it that have no entry of their own; "" is the root.
var layers = [][]string{
	{"runtime/id", "runtime/keygroup", "runtime/prefetch", "sdk"},
	{"runtime/fault"},
	{"runtime/record", "runtime/graph"},
	{"runtime/operator", "runtime/state", "runtime/watermark", "runtime/exchange", "snapshots"},
	{"host", "runtime/window", "runtime/connector", "runtime/task", "snapshots/dir", "snapshots/s3", "snapshots/near", "snapshots/storetest", "cluster"},
	{"cluster/election", "cluster/coordinator", "cluster/worker", "cluster/api", "sdk/tck", "runtime/connector/conntest"},
	{"cmd", "examples", ""},
}

// only says who may import a dependency. Tests may import all of them.
var only = map[string][]string{
	"github.com/tetratelabs/wazero":     {"host"},
	"github.com/nats-io/nats-server/v2": {"cmd", "examples", "runtime/connector/conntest"},
	"github.com/nats-io/nats.go":        {"runtime/exchange", "runtime/connector", "cluster", "cmd", "examples"},
	"github.com/minio/minio-go":         {"snapshots/s3"},
}

// strangers never import each other, not even in tests: they meet in messages.
var strangers = []string{"cluster/coordinator", "cluster/worker"}

// suites are packages of tests: they stand above what they test, and its own tests run
// them.
var suites = []string{"sdk/tck", "runtime/connector/conntest", "snapshots/storetest"}

// source is what one Go file imports.
type source struct {
	pkg     string // path below the module
	test    bool
	imports []string
}

func TestLayers(t *testing.T) {
	sources := readSources(t, ".")
	if len(sources) == 0 {
		t.Fatal("no Go files found")
	}
	for _, s := range sources {
		for _, problem := range check(s) {
			t.Error(problem)
		}
	}
}

// A check that can't fail would be no check.
func TestLayersAreChecked(t *testing.T) {
	for _, c := range []struct {
		name string
		file source
		want string // "" if nothing is wrong
	}{
		{"down", source{pkg: "host", imports: []string{module + "/runtime/operator"}}, ""},
		{"own subpackage", source{pkg: "host", imports: []string{module + "/host/internal/rewrite"}}, ""},
		{"subpackage to its siblings", source{pkg: "host/internal/rewrite", imports: []string{module + "/host/internal/wasm"}}, ""},
		{"standard library and dependencies", source{pkg: "runtime/id", imports: []string{"fmt", "golang.org/x/sys/unix"}}, ""},
		{"up", source{pkg: "runtime/record", imports: []string{module + "/runtime/operator"}}, "runtime/record imports runtime/operator, which is above it"},
		{"sideways", source{pkg: "cluster/coordinator", imports: []string{module + "/cluster/worker"}}, "cluster/coordinator imports cluster/worker, which is on its own line"},
		{"sideways, the other way", source{pkg: "cluster/worker", imports: []string{module + "/cluster/coordinator"}}, "on its own line"},
		{"parent to a higher child", source{pkg: "cluster", imports: []string{module + "/cluster/worker"}}, "which is above it"},
		{"a test goes up", source{pkg: "runtime/graph", test: true, imports: []string{module + "/host"}}, "which is above it"},
		{"a suite", source{pkg: "runtime/connector", imports: []string{module + "/runtime/connector/conntest"}}, "which is above it"},
		{"a test runs a suite", source{pkg: "runtime/connector", test: true, imports: []string{module + "/runtime/connector/conntest"}}, ""},
		{"a test goes sideways", source{pkg: "runtime/task", test: true, imports: []string{module + "/runtime/connector"}}, ""},
		{"coordinator's test imports worker", source{pkg: "cluster/coordinator", test: true, imports: []string{module + "/cluster/worker"}}, "on its own line"},
		{"wazero in host", source{pkg: "host", imports: []string{"github.com/tetratelabs/wazero/api"}}, ""},
		{"wazero elsewhere", source{pkg: "runtime/task", imports: []string{"github.com/tetratelabs/wazero"}}, "runtime/task imports github.com/tetratelabs/wazero, which only host may"},
		{"a NATS server in the engine", source{pkg: "cluster", imports: []string{"github.com/nats-io/nats-server/v2/server"}}, "which only cmd, examples, runtime/connector/conntest may"},
		{"NATS in the host", source{pkg: "host", imports: []string{"github.com/nats-io/nats.go"}}, "which only runtime/exchange, runtime/connector, cluster, cmd, examples may"},
		{"a NATS server in a test", source{pkg: "cluster", test: true, imports: []string{"github.com/nats-io/nats-server/v2/server"}}, ""},
		{"a package in no layer", source{pkg: "runtime/util", imports: []string{"fmt"}}, "runtime/util is in no layer"},
		{"an import in no layer", source{pkg: "host", imports: []string{module + "/runtime/util"}}, "host imports runtime/util, which is in no layer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(check(c.file), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("said %q, want %q", got, c.want)
			}
		})
	}
}

// check returns what is wrong with a file's imports. A package's tests may use their
// neighbours on the same line.
func check(s source) (problems []string) {
	from, home, ok := layerOf(s.pkg)
	if !ok {
		return []string{s.pkg + " is in no layer"}
	}
	for _, imported := range s.imports {
		for dependency, users := range maps.All(only) {
			if !s.test && within(imported, dependency) && !slices.ContainsFunc(users, func(u string) bool { return within(s.pkg, u) }) {
				problems = append(problems, fmt.Sprintf("%s imports %s, which only %s may", s.pkg, imported, strings.Join(users, ", ")))
			}
		}
		if !within(imported, module) {
			continue
		}
		target := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")
		to, owner, ok := layerOf(target)
		switch {
		case !ok:
			problems = append(problems, fmt.Sprintf("%s imports %s, which is in no layer", s.pkg, target))
		case s.test && slices.Contains(suites, owner):
		case to > from:
			problems = append(problems, fmt.Sprintf("%s imports %s, which is above it", s.pkg, target))
		case to == from && owner != home && (!s.test || slices.Contains(strangers, home) && slices.Contains(strangers, owner)):
			problems = append(problems, fmt.Sprintf("%s imports %s, which is on its own line", s.pkg, target))
		}
	}
	return problems
}

// layerOf finds the line of a package and the entry that covers it: the longest.
func layerOf(pkg string) (layer int, entry string, ok bool) {
	for i, line := range layers {
		for _, e := range line {
			if (e == pkg || e != "" && within(pkg, e)) && (!ok || len(e) > len(entry)) {
				layer, entry, ok = i, e, true
			}
		}
	}
	return layer, entry, ok
}

func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// readSources reads the imports of every Go file of this module.
func readSources(t *testing.T, root string) (sources []source) {
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != root && (skipped(d.Name()) || isModule(file)):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, ".go"):
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := path.Dir(filepath.ToSlash(file))
		s := source{pkg: strings.TrimPrefix(dir, "."), test: strings.HasSuffix(file, "_test.go")}
		for _, i := range parsed.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, name)
		}
		sources = append(sources, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

func skipped(name string) bool {
	return name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

// isModule tells folders that are Go modules of their own: the SDK and its users.
func isModule(dir string) bool {
	found, err := filepath.Glob(filepath.Join(dir, "go.mod"))
	return err == nil && len(found) > 0
}
