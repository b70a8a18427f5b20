package connector

import (
	"encoding/binary"
	"math/bits"
)

// maxNesting bounds the depth of JSON values, as encoding/json does, so that a line of
// brackets can't exhaust the stack.
const maxNesting = 10_000

// checkJSON decides whether text is one JSON value (RFC 8259) with nothing but space
// around it. If not it says where and why. It does not look into UTF-8.
func checkJSON(text []byte) (at int, reason string) {
	c := jsonCheck{text: text}
	c.space()
	if !c.value(0) {
		return c.at, c.reason
	}
	c.space()
	if c.at < len(text) {
		return c.at, "more after the value"
	}
	return c.at, ""
}

type jsonCheck struct {
	text   []byte
	at     int
	reason string
}

func (c *jsonCheck) fail(reason string) bool {
	if c.at >= len(c.text) {
		reason = "ends too early"
	}
	c.reason = reason
	return false
}

// next is the byte at hand; 0 at the end, which no rule accepts.
func (c *jsonCheck) next() byte {
	if c.at < len(c.text) {
		return c.text[c.at]
	}
	return 0
}

func (c *jsonCheck) space() {
	if c.at < len(c.text) && c.text[c.at] > ' ' {
		return
	}
	for c.at < len(c.text) {
		switch c.text[c.at] {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return
		}
	}
}

func (c *jsonCheck) value(depth int) bool {
	switch b := c.next(); {
	case b == '"':
		return c.str()
	case b == '{', b == '[':
		if depth == maxNesting {
			return c.fail("nested too deeply")
		}
		c.at++
		if b == '{' {
			return c.members(depth + 1)
		}
		return c.elements(depth + 1)
	case b == '-', '0' <= b && b <= '9':
		return c.number()
	case b == 't':
		return c.word("true")
	case b == 'f':
		return c.word("false")
	case b == 'n':
		return c.word("null")
	}
	return c.fail("no value")
}

func (c *jsonCheck) word(w string) bool {
	for i := range len(w) {
		if c.next() != w[i] {
			return c.fail("no value")
		}
		c.at++
	}
	return true
}

func (c *jsonCheck) members(depth int) bool {
	c.space()
	if c.next() == '}' {
		c.at++
		return true
	}
	for {
		c.space()
		if c.next() != '"' {
			return c.fail("no name of a member")
		}
		if !c.str() {
			return false
		}
		c.space()
		if c.next() != ':' {
			return c.fail("no colon after a name")
		}
		c.at++
		c.space()
		if !c.value(depth) {
			return false
		}
		c.space()
		switch c.next() {
		case ',':
			c.at++
		case '}':
			c.at++
			return true
		default:
			return c.fail("no comma or } after a member")
		}
	}
}

func (c *jsonCheck) elements(depth int) bool {
	c.space()
	if c.next() == ']' {
		c.at++
		return true
	}
	for {
		c.space()
		if !c.value(depth) {
			return false
		}
		c.space()
		switch c.next() {
		case ',':
			c.at++
		case ']':
			c.at++
			return true
		default:
			return c.fail("no comma or ] after an element")
		}
	}
}

// str is at the opening quote.
func (c *jsonCheck) str() bool {
	for i := plainEnd(c.text, c.at+1); i < len(c.text); i = plainEnd(c.text, i+1) {
		switch b := c.text[i]; {
		case b == '"':
			c.at = i + 1
			return true
		case b == '\\':
			c.at = i + 1
			n := c.escape()
			if n == 0 {
				return c.fail("unknown escape")
			}
			i += n
		case b < ' ':
			c.at = i
			return c.fail("control character in a string")
		}
	}
	c.at = len(c.text)
	return c.fail("")
}

// plainEnd is where the characters of a string end that stand for themselves: at the
// first quote, backslash or control character, found in eight bytes at a time.
func plainEnd(text []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(text); i += 8 {
		x := binary.LittleEndian.Uint64(text[i:])
		quote, backslash := x^ones*'"', x^ones*'\\'
		// A byte's top bit is set if it was below what is taken from it; a borrow can
		// only spoil the bytes above the first that counts.
		if special := ((x-ones*' ')&^x | (quote-ones)&^quote | (backslash-ones)&^backslash) & tops; special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for ; i < len(text); i++ {
		if b := text[i]; b == '"' || b == '\\' || b < ' ' {
			break
		}
	}
	return i
}

// escape is the length of the escape behind a backslash; 0 if it is none.
func (c *jsonCheck) escape() int {
	switch c.next() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		for i := 1; i <= 4; i++ {
			if c.at+i >= len(c.text) || !isHex(c.text[c.at+i]) {
				c.at = min(c.at+i, len(c.text))
				return 0
			}
		}
		return 5
	}
	return 0
}

func isHex(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}

func (c *jsonCheck) number() bool {
	if c.next() == '-' {
		c.at++
	}
	if c.next() == '0' {
		c.at++
	} else if !c.digits() {
		return false
	}
	if c.next() == '.' {
		c.at++
		if !c.digits() {
			return false
		}
	}
	if b := c.next(); b == 'e' || b == 'E' {
		c.at++
		if b := c.next(); b == '+' || b == '-' {
			c.at++
		}
		return c.digits()
	}
	return true
}

func (c *jsonCheck) digits() bool {
	if b := c.next(); b < '0' || b > '9' {
		return c.fail("no digit in a number")
	}
	for b := c.next(); '0' <= b && b <= '9'; b = c.next() {
		c.at++
	}
	return true
}
