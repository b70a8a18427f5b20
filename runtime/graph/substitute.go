package graph

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

var (
	// A doubled dollar stands for one: $${X} is the text ${X}.
	variable     = regexp.MustCompile(`\$?\$\{[^}]*\}?`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// substitute replaces ${VAR} and ${VAR:-default} in the values below v; names of
// fields stay as they are. A value that was not quoted is then read again: a number
// from the environment is a number.
func (p *parser) substitute(v *value) {
	switch v.kind {
	case mapping:
		for _, f := range v.fields {
			p.substitute(f.value)
		}
	case sequence:
		for _, item := range v.items {
			p.substitute(item)
		}
	case scalar:
		if !strings.Contains(v.text, "${") {
			return
		}
		text := variable.ReplaceAllStringFunc(v.text, func(s string) string { return p.expand(v, s) })
		if p.substituted += len(text); p.substituted > MaxFileSize {
			p.refuse(v, "", "is too large with its variables replaced: all values together have at most %d bytes", MaxFileSize)
			return
		}
		if !utf8.ValidString(text) {
			p.refuse(v, "", "is not UTF-8 with its variables replaced")
			return
		}
		v.text = text
		if !v.quoted && v.kind == scalar {
			v.tag = plainTag(text)
		}
	}
}

// expand is what one ${…} stands for.
func (p *parser) expand(v *value, s string) string {
	if strings.HasPrefix(s, "$$") {
		return s[1:]
	}
	if !strings.HasSuffix(s, "}") {
		p.refuse(v, "write $${ for a plain ${", "has a ${ without its }")
		return s
	}
	name, other, hasOther := strings.Cut(s[2:len(s)-1], ":-")
	if !variableName.MatchString(name) {
		p.refuse(v, "write ${NAME} or ${NAME:-default}, and $${ for a plain ${", "%s is not a variable", quote(s))
		return s
	}
	text, ok := "", false
	if p.options.Lookup != nil {
		text, ok = p.options.Lookup(name)
	}
	switch {
	case hasOther && text == "":
		return other
	case !ok:
		p.refuse(v, "set it in the environment, or write ${"+name+":-default}", "the variable %s is not set", name)
	}
	return text
}

// plainTag is how YAML reads an unquoted text.
func plainTag(text string) string {
	tag := (&yaml.Node{Kind: yaml.ScalarNode, Value: text}).ShortTag()
	if tag == "!!timestamp" || tag == "!!merge" {
		return "!!str"
	}
	return tag
}
