// Package scaffold writes a project for a new operator: source, unit test, job file,
// README, a Makefile that builds, tests and runs it, and the SDK beside it, so that it
// builds offline once its toolchain is there. It runs nothing.
//
// Start with Write. What is written lies in templates/; the SDKs come from sdk/go and
// sdk/c themselves.
package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	sdkc "github.com/wasmill/wasmill/sdk/c"
	sdkgo "github.com/wasmill/wasmill/sdk/go"
)

//go:embed templates
var templates embed.FS

// Languages and Shapes are what Write knows; the first of each is the default. Stateful is
// shape process with tables.
var (
	Languages = []string{"go", "c", "cpp"}
	Shapes    = []string{"process", "source", "stateful", "aggregate", "apply"}
)

// ErrInvalid is the class of errors that another name, language or shape avoids.
var ErrInvalid = errors.New("invalid")

var nameRule = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// Write makes the project name in the new folder dir. A folder that has files is not
// touched. Errors of class ErrInvalid say what is allowed; the others wrap fs errors,
// fs.ErrExist among them.
func Write(dir, name, lang, shape string) error {
	if err := check(name, lang, shape); err != nil {
		return err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("create project: there is something in %s; choose another name: %w", dir, fs.ErrExist)
	}
	project := map[string]string{"Name": name, "Lang": lang, "Shape": shape}
	for _, folder := range []string{"all", lang} {
		if err := writeTemplates(dir, folder, project); err != nil {
			return fmt.Errorf("create project: %w", err)
		}
	}
	var sdk fs.FS = sdkc.SDK
	if lang == "go" {
		sdk = sdkgo.SDK
	}
	if err := writeSDK(filepath.Join(dir, "wasmill"), sdk); err != nil {
		return fmt.Errorf("create project: %w", err)
	}
	return nil
}

func check(name, lang, shape string) error {
	switch {
	case !nameRule.MatchString(name):
		return fmt.Errorf("%w name %q: it begins with a letter and has a-z, 0-9 and -, 63 at most", ErrInvalid, name)
	case name == "in" || name == "out" || name == "wasmill":
		return fmt.Errorf("%w name %q: the project uses it for something else", ErrInvalid, name)
	case !slices.Contains(Languages, lang):
		return fmt.Errorf("%w language %q: there are %s", ErrInvalid, lang, strings.Join(Languages, ", "))
	case !slices.Contains(Shapes, shape):
		return fmt.Errorf("%w shape %q: there are %s", ErrInvalid, shape, strings.Join(Shapes, ", "))
	}
	return nil
}

// writeTemplates fills in the templates of a folder. The name of a template is that of
// its file, with a shape before it if only that shape has it, and .tmpl behind it.
func writeTemplates(dir, folder string, project map[string]string) error {
	root := "templates/" + folder
	entries, err := templates.ReadDir(root)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		file := strings.TrimSuffix(entry.Name(), ".tmpl")
		if shape, rest, ok := strings.Cut(file, "_"); ok && slices.Contains(Shapes, shape) {
			if shape != project["Shape"] {
				continue
			}
			file = rest
		}
		file = strings.Replace(file, "dot.", ".", 1)
		t, err := template.ParseFS(templates, root+"/"+entry.Name())
		if err != nil {
			return err
		}
		var text bytes.Buffer
		if err := t.Option("missingkey=error").Execute(&text, project); err != nil {
			return err
		}
		if err := writeFile(filepath.Join(dir, file), text.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// writeSDK copies an SDK without its tests.
func writeSDK(dir string, sdk fs.FS) error {
	return fs.WalkDir(sdk, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") || path == "sdk.go" {
			return err
		}
		text, err := fs.ReadFile(sdk, path)
		if err != nil {
			return err
		}
		return writeFile(filepath.Join(dir, filepath.FromSlash(path)), text)
	})
}

func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
