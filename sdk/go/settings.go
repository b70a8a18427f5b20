package wasmill

import "strconv"

// parseSettings reads what the host says on opening. The engine's JSON is compact and
// well-formed, so that this small reader does; encoding/json would add half a megabyte
// to every module.
func parseSettings(request []byte) (Settings, error) {
	s := Settings{Config: []byte("{}")}
	p := scanner{text: request}
	p.expect('{')
	for !p.bad && !p.take('}') {
		name := p.string()
		p.expect(':')
		value := p.value()
		switch name {
		case "operator":
			inner := scanner{text: value}
			s.Operator = inner.string()
		case "config":
			s.Config = append([]byte(nil), value...)
		case "subtask":
			s.Subtask = p.number(value)
		case "parallelism":
			s.Parallelism = p.number(value)
		case "maxParallelism":
			s.MaxParallelism = p.number(value)
		case "restored":
			s.Restored = string(value) == "true"
		}
		if !p.take(',') {
			p.expect('}')
			break
		}
	}
	if p.bad {
		return s, failure("settings are not the JSON that was expected")
	}
	return s, nil
}

// scanner walks JSON text; bad is set when it is not.
type scanner struct {
	text []byte
	at   int
	bad  bool
}

func (p *scanner) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\n' || p.text[p.at] == '\t' || p.text[p.at] == '\r') {
		p.at++
	}
}

func (p *scanner) take(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *scanner) expect(c byte) { p.bad = !p.take(c) || p.bad }

// raw returns a string with its quotes.
func (p *scanner) raw() []byte {
	p.space()
	start := p.at
	p.expect('"')
	for ; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case '\\':
			p.at++
		case '"':
			p.at++
			return p.text[start:p.at]
		}
	}
	p.bad = true
	return nil
}

// string returns a string without quotes and escapes.
func (p *scanner) string() string {
	raw := p.raw()
	if p.bad {
		return ""
	}
	text, err := strconv.Unquote(string(raw)) // the host's names have no JSON-only escapes
	p.bad = p.bad || err != nil
	return text
}

// value returns any value as it stands.
func (p *scanner) value() []byte {
	p.space()
	start := p.at
	for depth := 0; p.at < len(p.text); {
		switch c := p.text[p.at]; {
		case c == '"':
			p.raw()
			continue
		case c == '{' || c == '[':
			depth++
		case depth == 0 && (c == ',' || c == '}'):
			return trim(p.text[start:p.at])
		case c == '}' || c == ']':
			depth--
		}
		p.at++
	}
	p.bad = true
	return nil
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\n' || b[len(b)-1] == '\t' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}

func (p *scanner) number(value []byte) int {
	n, err := strconv.Atoi(string(value))
	p.bad = p.bad || err != nil
	return n
}
