package connector

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// covers says whether a filter takes every subject of a pattern, in which * stands for
// any token and > for any rest.
func covers(filter, pattern string) bool {
	for {
		f, filterRest, moreF := strings.Cut(filter, ".")
		p, patternRest, moreP := strings.Cut(pattern, ".")
		switch {
		case f == ">":
			return true
		case p == ">", f != "*" && f != p, moreF != moreP:
			return false
		case !moreF:
			return true
		}
		filter, pattern = filterRest, patternRest
	}
}

// meet says whether some subject is of both patterns.
func meet(a, b string) bool {
	for {
		x, restA, moreA := strings.Cut(a, ".")
		y, restB, moreB := strings.Cut(b, ".")
		switch {
		case x == ">" || y == ">":
			return true
		case x != y && x != "*" && y != "*", moreA != moreB:
			return false
		case !moreA:
			return true
		}
		a, b = restA, restB
	}
}

// validPattern looks at a subject that may have wildcards.
func validPattern(subject string) error {
	tokens := strings.Split(subject, ".")
	for i, token := range tokens {
		switch {
		case token == "":
			return errors.New("has an empty token")
		case strings.ContainsAny(token, " \t\r\n\x00"):
			return errors.New("has a space or a control character")
		case token == ">" && i < len(tokens)-1:
			return errors.New("has > before its end")
		case len(token) > 1 && strings.ContainsAny(token, "*>"):
			return errors.New("has * or > within a token")
		}
	}
	return nil
}

func checkSubjects(value json.RawMessage) error {
	var subject string
	if err := json.Unmarshal(value, &subject); err != nil {
		return errors.New("must be a subject")
	}
	if err := validPattern(subject); err != nil {
		return fmt.Errorf("subject %s %w", subject, err)
	}
	return nil
}

func checkStreamName(value json.RawMessage) error {
	var name string
	if err := json.Unmarshal(value, &name); err != nil || name == "" || strings.ContainsAny(name, " \t\r\n.*>/\\") {
		return errors.New("must be the name of a stream: without spaces, dots, slashes, * and >")
	}
	return nil
}

// subjectTemplate is the subject of each record: text, with the record's key or the
// number of the subtask put in.
type subjectTemplate []subjectPiece

type subjectPiece struct {
	text string
	key  bool
}

// maxKeyToken bounds what a key takes of a subject: servers end connections whose
// protocol lines are longer than 4 KiB.
const maxKeyToken = 2 << 10

func parseSubjectTemplate(text string, subtask int) (subjectTemplate, error) {
	if err := validPattern(templatePattern(text)); err != nil {
		return nil, fmt.Errorf("subject %s %w", text, err)
	}
	var t subjectTemplate
	for text != "" {
		before, rest, found := strings.Cut(text, "{")
		if before != "" {
			t = append(t, subjectPiece{text: before})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		switch {
		case !closed:
			return nil, errors.New("subject has a { without }")
		case name == "key":
			t = append(t, subjectPiece{key: true})
		case name == "subtask":
			t = append(t, subjectPiece{text: fmt.Sprint(subtask)})
		default:
			return nil, fmt.Errorf("subject has {%s}: there are {key} and {subtask}", name)
		}
		text = after
	}
	for _, p := range t {
		if strings.ContainsAny(p.text, "*>}") {
			return nil, errors.New("subject has *, > or } where records are published")
		}
	}
	return t, nil
}

// templatePattern is the pattern of the subjects that a template can give.
func templatePattern(text string) string {
	tokens := strings.Split(text, ".")
	for i, token := range tokens {
		if strings.ContainsRune(token, '{') {
			tokens[i] = "*"
		}
	}
	return strings.Join(tokens, ".")
}

func checkTemplate(value json.RawMessage) error {
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return errors.New("must be a subject")
	}
	_, err := parseSubjectTemplate(text, 0)
	return err
}

// append adds the subject of a record with a key; nil is no key.
func (t subjectTemplate) append(to, key []byte) []byte {
	for i := range t {
		if t[i].key {
			to = appendToken(to, key)
		} else {
			to = append(to, t[i].text...)
		}
	}
	return to
}

// appendToken adds a key as part of a subject. What can't stand there, and %, is
// %-encoded, as in URLs; an empty key is _, which itself is encoded.
func appendToken(to, key []byte) []byte {
	const hex = "0123456789ABCDEF"
	if len(key) == 0 {
		return append(to, '_')
	}
	if len(key) == 1 && key[0] == '_' {
		return append(to, "%5F"...)
	}
	for _, c := range key {
		if c <= ' ' || c >= 0x7f || c == '.' || c == '*' || c == '>' || c == '%' {
			to = append(to, '%', hex[c>>4], hex[c&15])
		} else {
			to = append(to, c)
		}
	}
	return to
}
