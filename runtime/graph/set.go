package graph

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// set applies an override, path=value, to the tree. The path goes by the names of the
// job file and by the indexes of lists: operators.out.inputs.0.by=key. Whatever is
// wrong with the value later is reported at the flag.
func (p *parser) set(root *value, override string) {
	path, text, ok := strings.Cut(override, "=")
	p.flag = "--set " + clip(path) + "="
	defer func() { p.flag = "" }()
	here := place{file: p.flag}
	if !utf8.ValidString(override) {
		here.file = "--set " + clip(override)
		p.add(here, "", "is not UTF-8")
		return
	}
	if !ok || path == "" {
		here.file = "--set " + clip(override)
		p.add(here, "write --set operators.in.with.path=data.csv", "has no name and value")
		return
	}
	steps := strings.Split(strings.NewReplacer("[", ".", "]", "").Replace(path), ".")
	if len(steps) > maxDepth {
		p.add(here, "", "is nested more than %d deep", maxDepth)
		return
	}
	target := root
	for i, name := range steps[:len(steps)-1] {
		if target = p.descend(target, name, i == 1 && steps[0] == "operators"); target == nil {
			return
		}
	}
	last := steps[len(steps)-1]
	switch {
	case last == "":
		p.add(here, "", "%s has an empty name", quote(path))
	case target.kind == mapping:
		target.put(last, p.flagValue(text, &value{parent: target, name: last}))
	case target.kind == sequence:
		if i, ok := p.indexOf(target, last); ok {
			target.items[i] = p.flagValue(text, &value{parent: target, index: i})
		}
	default:
		p.add(here, "", "%s has no fields", quote(target.path()))
	}
}

// descend is the value under a name, made if it is not there; operators are not made.
func (p *parser) descend(v *value, name string, isOperator bool) *value {
	here := place{file: p.flag}
	switch {
	case name == "":
		p.add(here, "", "has an empty name in its path")
		return nil
	case v.kind == sequence:
		if i, ok := p.indexOf(v, name); ok {
			return v.items[i]
		}
		return nil
	case v.kind != mapping:
		p.add(here, "", "%s has no fields", quote(v.path()))
		return nil
	}
	if child := v.get(name); child != nil {
		return child
	}
	if isOperator {
		p.add(here, Suggest(name, v.names()), "no operator %s", quote(name))
		return nil
	}
	child := &value{kind: mapping, file: p.file, flag: p.flag}
	v.put(name, child)
	return child
}

func (p *parser) indexOf(v *value, name string) (int, bool) {
	i, err := strconv.Atoi(name)
	if err != nil || i < 0 || i >= len(v.items) {
		p.add(place{file: p.flag}, "", "%s is a list of %d, %s is not one of its indexes", v.path(), len(v.items), quote(name))
		return 0, false
	}
	return i, true
}

func (v *value) names() []string {
	names := make([]string, len(v.fields))
	for i, f := range v.fields {
		names[i] = f.name
	}
	return names
}

// flagValue reads the value of a flag: YAML if it starts like a list, a mapping or a
// quoted text, else the text as it is. (As YAML, *.csv would be an alias.)
func (p *parser) flagValue(text string, v *value) *value {
	if text == "" || !strings.ContainsRune(`[{"'`, rune(text[0])) {
		v.kind, v.text, v.flag, v.file, v.tag = scalar, text, p.flag, p.file, plainTag(text)
		if text == "" {
			v.tag = "!!str"
		}
		return v
	}
	v.flag = p.flag
	var document yaml.Node
	if len(text) > MaxFileSize {
		p.refuse(v, "", "has %d bytes, at most %d are allowed", len(text), MaxFileSize)
	} else if err := yaml.Unmarshal([]byte(text), &document); err != nil || len(document.Content) != 1 {
		p.refuse(v, `put a text that starts with a bracket in quotes: '"[a]*.csv"'`, "is not YAML: %s", clip(text))
	} else {
		p.convert(document.Content[0], v, 1)
	}
	return v
}

// clip shortens what goes into a message and keeps it on one line.
func clip(s string) string {
	if q := quote(s); len(s) > 60 || q != `"`+s+`"` {
		return q
	}
	return s
}
