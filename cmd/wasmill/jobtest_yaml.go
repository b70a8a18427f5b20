package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/wasmill/wasmill/runtime/graph"
)

// testReader reads the YAML of a test file. Its methods report what is wrong, with its
// place, and go on.
type testReader struct {
	file     string
	problems graph.Problems
}

// maxTestProblems bounds what one file can make us say.
const maxTestProblems = 100

func (r *testReader) add(n *yaml.Node, path, hint, format string, args ...any) {
	if len(r.problems) < maxTestProblems {
		p := graph.Problem{File: r.file, Line: n.Line, Column: n.Column, Path: path, Message: fmt.Sprintf(format, args...), Hint: hint}
		r.problems = append(r.problems, p)
	}
}

func (r *testReader) mismatch(n *yaml.Node, path, expected string) {
	found := fmt.Sprintf("%q", n.Value)
	switch n.Kind {
	case yaml.MappingNode:
		found = "fields"
	case yaml.SequenceNode:
		found = "a list"
	case yaml.AliasNode:
		found = "an alias, which a test file can't have"
	default:
		if n.ShortTag() == "!!null" {
			found = "nothing"
		}
	}
	r.add(n, path, "", "expected %s, found %s", expected, found)
}

var yamlErrorLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// document is what the file consists of; nil if it is no YAML.
func (r *testReader) document(data []byte) *yaml.Node {
	top := &yaml.Node{Line: 1, Column: 1}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	err := decoder.Decode(&document)
	if err == nil {
		if err = decoder.Decode(&second); err == nil {
			r.add(&second, "", "a file has the cases of one job; write another file", "file has a second document")
			return nil
		}
	}
	switch {
	case errors.Is(err, io.EOF) && len(document.Content) == 1:
		return document.Content[0]
	case errors.Is(err, io.EOF):
		r.add(top, "", "the smallest test has job, in and out", "file is empty")
		return nil
	}
	text := err.Error()
	if m := yamlErrorLine.FindStringSubmatch(text); m != nil {
		text = m[2]
		if line, err := strconv.Atoi(m[1]); err == nil {
			top.Line = line
		}
	}
	r.add(top, "", "", "is not YAML: %s", strings.ReplaceAll(text, "\n", " "))
	return nil
}

// named is a name of a mapping with its value.
type named struct{ name, value *yaml.Node }

// entries are those of a mapping, each name once.
func (r *testReader) entries(n *yaml.Node, path, expected string) (all []named) {
	if n.Kind != yaml.MappingNode {
		r.mismatch(n, path, expected)
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		e := named{n.Content[i], n.Content[i+1]}
		switch {
		case e.name.Kind != yaml.ScalarNode || e.name.ShortTag() == "!!merge":
			r.add(e.name, path, "", "has a name that is not plain text")
		case slices.ContainsFunc(all, func(o named) bool { return o.name.Value == e.name.Value }):
			r.add(e.name, path, "", "%q is there twice", e.name.Value)
		default:
			all = append(all, e)
		}
	}
	return all
}

// fields are the values of a mapping whose names are known.
func (r *testReader) fields(n *yaml.Node, path string, known ...string) (map[string]*yaml.Node, bool) {
	if n.Kind != yaml.MappingNode {
		r.mismatch(n, path, "fields")
		return nil, false
	}
	before, found := len(r.problems), map[string]*yaml.Node{}
	for _, e := range r.entries(n, path, "fields") {
		if !slices.Contains(known, e.name.Value) {
			at := strings.TrimPrefix(path+"."+e.name.Value, ".")
			r.add(e.name, at, graph.Suggest(e.name.Value, slices.Sorted(slices.Values(known))), "unknown field")
			continue
		}
		found[e.name.Value] = e.value
	}
	return found, len(r.problems) == before
}

func (r *testReader) items(n *yaml.Node, path string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		r.mismatch(n, path, "a list")
		return nil
	}
	return n.Content
}

// text reads any scalar but null as it is written.
func (r *testReader) text(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		r.mismatch(n, path, "text")
		return "", false
	}
	return n.Value, true
}

func (r *testReader) duration(n *yaml.Node, path string) time.Duration {
	d, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || d < time.Millisecond || d%time.Millisecond != 0 {
		r.mismatch(n, path, "a duration like 10ms or 1h30m")
		return 0
	}
	return d
}

// time reads ms since 1970, or a time as in RFC 3339, or a day.
func (r *testReader) time(n *yaml.Node, path string) (int64, bool) {
	if n.Kind == yaml.ScalarNode {
		if ms, err := strconv.ParseInt(n.Value, 10, 64); err == nil && ms != math.MinInt64 && ms != math.MaxInt64 {
			return ms, true
		}
		for _, layout := range []string{time.RFC3339, time.DateOnly} {
			if t, err := time.Parse(layout, n.Value); err == nil {
				return t.UnixMilli(), true
			}
		}
	}
	r.mismatch(n, path, "a time: ms since 1970, or like 2018-02-01T15:04:05Z or 2018-02-01")
	return 0, false
}

func (r *testReader) parallelisms(n *yaml.Node, path string) (all []int) {
	values := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		values = n.Content
	}
	for _, v := range values {
		p, err := strconv.Atoi(v.Value)
		if v.Kind != yaml.ScalarNode || err != nil || p < 1 || p > graph.MaxParallelism {
			r.mismatch(v, path, "a number of subtasks, or a list of such numbers")
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		r.mismatch(n, path, "a number of subtasks, or a list of such numbers")
	}
	return all
}

// overrides are those of --set, path by path.
func (r *testReader) overrides(n *yaml.Node, path string) (all []string) {
	for _, e := range r.entries(n, path, "values by their paths, like operators.stats.config.min: 2") {
		path := path + "." + e.name.Value
		text := e.value.Value
		if e.value.Kind != yaml.ScalarNode || text != "" && strings.ContainsRune("[{\"'", rune(text[0])) {
			text = string(r.json(e.value, path))
		}
		all = append(all, e.name.Value+"="+text)
	}
	return all
}

// json is a value as JSON: numbers as they are written, names in their order.
func (r *testReader) json(n *yaml.Node, path string) json.RawMessage {
	var b bytes.Buffer
	r.writeJSON(&b, n, path)
	return b.Bytes()
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

func (r *testReader) writeJSON(b *bytes.Buffer, n *yaml.Node, path string) {
	switch n.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		for i, e := range r.entries(n, path, "fields") {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(jsonText(e.name.Value))
			b.WriteByte(':')
			r.writeJSON(b, e.value, path+"."+e.name.Value)
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, v := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			r.writeJSON(b, v, fmt.Sprintf("%s[%d]", path, i))
		}
		b.WriteByte(']')
	case yaml.ScalarNode:
		switch tag := n.ShortTag(); {
		case tag == "!!null":
			b.WriteString("null")
		case tag == "!!bool":
			b.WriteString(strings.ToLower(n.Value))
		case (tag == "!!int" || tag == "!!float") && jsonNumber.MatchString(n.Value):
			b.WriteString(n.Value)
		default:
			b.Write(jsonText(n.Value))
		}
	default:
		r.mismatch(n, path, "JSON")
	}
}

// jsonText is a text in JSON, without what HTML would want escaped.
func jsonText(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	// A text can always be encoded.
	_ = e.Encode(s)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
