package graph

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// MaxFileSize is the largest job file, in bytes: a plan has to fit a control message.
	MaxFileSize = 512 << 10
	maxDepth    = 64
)

type kind int

const (
	scalar kind = iota
	mapping
	sequence
	refused // reported already
)

// value is a node of the job file after substitution, knowing where it stands.
type value struct {
	kind   kind
	tag    string // of a scalar: !!str, !!int, !!float, !!bool, !!null
	text   string // of a scalar
	quoted bool   // of a scalar
	fields []field
	items  []*value

	parent *value
	name   string // under which the parent has it, in a mapping
	label  mark   // where that name stands
	index  int    // at which the parent has it, in a sequence
	line   int
	column int
	flag   string // the --set that gave it, if one did
	file   string
}

type mark struct{ line, column int }

// field is an entry of a mapping.
type field struct {
	name  string
	value *value
}

// at is the place of the value itself.
func (v *value) at() place {
	if v.flag != "" {
		return place{file: v.flag, path: v.path()}
	}
	return place{file: v.file, line: v.line, column: v.column, path: v.path()}
}

// named is the place of the name that the value has, where a problem stands that is
// about the value as a whole.
func (v *value) named() place {
	at := v.at()
	if v.parent != nil && v.parent.kind == mapping && v.flag == "" {
		at.line, at.column = v.label.line, v.label.column
	}
	return at
}

// path is made when it is needed: in a hostile file, paths of all values together
// would be far larger than the file.
func (v *value) path() string {
	var steps []string
	for ; v.parent != nil; v = v.parent {
		if v.parent.kind == sequence {
			steps = append(steps, fmt.Sprintf("[%d]", v.index))
		} else {
			steps = append(steps, step(v.name))
		}
	}
	var b strings.Builder
	for i := len(steps) - 1; i >= 0; i-- {
		if b.Len() > 0 && steps[i][0] != '[' {
			b.WriteByte('.')
		}
		b.WriteString(steps[i])
	}
	return b.String()
}

var plainStep = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func step(name string) string {
	if plainStep.MatchString(name) {
		return name
	}
	return quote(name)
}

// get is the value under a name, or nil.
func (v *value) get(name string) *value {
	for i := range v.fields {
		if v.fields[i].name == name {
			return v.fields[i].value
		}
	}
	return nil
}

// put sets the value under a name.
func (v *value) put(name string, child *value) {
	child.parent, child.name = v, name
	for i := range v.fields {
		if v.fields[i].name == name {
			v.fields[i].value = child
			return
		}
	}
	v.fields = append(v.fields, field{name: name, value: child})
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// readTree parses YAML into values. Nil means that it could not.
func (p *parser) readTree(data []byte) *value {
	top := place{file: p.file, line: 1, column: 1}
	if len(data) > MaxFileSize {
		p.add(place{file: p.file}, "", "file has more than %d bytes", MaxFileSize)
		return nil
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	var document, second yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		p.add(top, "the smallest job has version, job and operators", "file is empty")
		return nil
	} else if err != nil {
		p.yamlError(err)
		return nil
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			p.yamlError(err)
			return nil
		}
		p.add(place{file: p.file, line: second.Line, column: second.Column}, "write one file for each job", "file has a second document")
	}
	if len(document.Content) != 1 {
		p.add(top, "", "file is empty")
		return nil
	}
	return p.convert(document.Content[0], &value{}, 0)
}

func (p *parser) yamlError(err error) {
	at := place{file: p.file, line: 1, column: 1}
	text := err.Error()
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		text = m[2]
		if line, err := strconv.Atoi(m[1]); err == nil {
			at.line = line
		}
	}
	p.add(at, "", "is not YAML: %s", strings.ReplaceAll(text, "\n", " "))
}

// convert makes a value of a YAML node and reports what job files can't have: aliases
// (a few lines of them stand for gigabytes), tags, names that come twice. v has its
// parent, and its name or index there.
func (p *parser) convert(n *yaml.Node, v *value, depth int) *value {
	v.file, v.flag, v.line, v.column = p.file, p.flag, n.Line, n.Column
	switch {
	case depth > maxDepth:
		p.refuse(v, "", "is nested more than %d deep", maxDepth)
	case n.Kind == yaml.AliasNode:
		p.refuse(v, "write the value out", "is an alias, which a job file can't have")
	case n.Style&yaml.TaggedStyle != 0:
		p.refuse(v, "remove the tag", "has the tag %s, which a job file can't have", quote(n.Tag))
	case n.Kind == yaml.MappingNode:
		v.kind = mapping
		p.convertFields(n, v, depth)
	case n.Kind == yaml.SequenceNode:
		v.kind = sequence
		for i, item := range n.Content {
			v.items = append(v.items, p.convert(item, &value{parent: v, index: i}, depth+1))
		}
	default:
		v.kind, v.text = scalar, n.Value
		v.quoted = n.Style != 0
		if v.tag = n.ShortTag(); v.tag == "!!timestamp" {
			v.tag = "!!str"
		}
	}
	return v
}

// refuse reports a value that nobody shall look at any more.
func (p *parser) refuse(v *value, hint, format string, args ...any) {
	v.kind = refused
	p.add(v.at(), hint, format, args...)
}

func (p *parser) convertFields(n *yaml.Node, v *value, depth int) {
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := v.at()
		at.line, at.column = key.Line, key.Column
		if key.Kind != yaml.ScalarNode || key.Style&yaml.TaggedStyle != 0 || key.ShortTag() == "!!merge" {
			p.add(at, "", "has a name that is not plain text")
			continue
		}
		if line, twice := seen[key.Value]; twice {
			p.add(at, "", "%s is there twice, first in line %d", quote(key.Value), line)
			continue
		}
		seen[key.Value] = key.Line
		child := p.convert(n.Content[i+1], &value{parent: v, name: key.Value, label: mark{key.Line, key.Column}}, depth+1)
		v.fields = append(v.fields, field{name: key.Value, value: child})
	}
}
