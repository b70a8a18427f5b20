package main

import "bytes"

// fields calls visit with the name and the value of each field of a JSON object, as
// they stand there, and returns false if text is none. It reads no further into values
// than it must to find their ends: encoding/json would make a module of 3.3 MB of one
// of 2 MB, to look at three fields of ten.
func fields(text []byte, visit func(name, value []byte)) bool {
	rest, ok := take(text, '{')
	if after, empty := take(rest, '}'); empty {
		return ok && len(space(after)) == 0
	}
	for ok {
		var name, value []byte
		if name, rest, ok = cutString(rest); !ok {
			break
		}
		if rest, ok = take(rest, ':'); !ok {
			break
		}
		if value, rest, ok = cutValue(rest); !ok {
			break
		}
		visit(name[1:len(name)-1], value)
		if after, end := take(rest, '}'); end {
			return len(space(after)) == 0
		}
		rest, ok = take(rest, ',')
	}
	return false
}

// space returns what follows the space that text starts with.
func space(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\t' || text[0] == '\r' || text[0] == '\n') {
		text = text[1:]
	}
	return text
}

func take(text []byte, c byte) (rest []byte, ok bool) {
	text = space(text)
	if len(text) == 0 || text[0] != c {
		return text, false
	}
	return text[1:], true
}

// cutString cuts off a string with its quotes.
func cutString(text []byte) (s, rest []byte, ok bool) {
	text = space(text)
	if len(text) == 0 || text[0] != '"' {
		return nil, text, false
	}
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return text[:i+1], text[i+1:], true
		case c == '\\':
			i++
		case c < ' ':
			return nil, text, false
		}
	}
	return nil, text, false
}

// cutValue cuts off any value.
func cutValue(text []byte) (value, rest []byte, ok bool) {
	text = space(text)
	if len(text) == 0 {
		return nil, text, false
	}
	switch text[0] {
	case '"':
		return cutString(text)
	case '{', '[':
		return cutNested(text)
	}
	n := bytes.IndexAny(text, ",}] \t\r\n")
	if n < 1 {
		return nil, text, false
	}
	return text[:n], text[n:], true
}

// cutNested cuts off an object or array.
func cutNested(text []byte) (value, rest []byte, ok bool) {
	rest = text
	for depth := 0; len(rest) > 0; {
		switch rest[0] {
		case '"':
			if _, rest, ok = cutString(rest); !ok {
				return nil, text, false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		rest = rest[1:]
		if depth == 0 {
			return text[:len(text)-len(rest)], rest, true
		}
	}
	return nil, text, false
}
