package binary

import (
	"fmt"
	"unicode/utf8"
)

// Error says where bytes are not a module, and why.
type Error struct {
	Offset int // in the module
	Text   string
}

func (e *Error) Error() string { return fmt.Sprintf("byte %d: %s", e.Offset, e.Text) }

// Unsupported names a feature beyond the guest interface.
type Unsupported struct {
	Feature string // "threads"
	Where   string // what uses it: an instruction, a section
}

func (u *Unsupported) Error() string { return fmt.Sprintf("needs %s: %s", u.Feature, u.Where) }

// reader walks over bytes of a module. The first error sticks; after it reads give
// zeros.
type reader struct {
	b    []byte
	at   int
	base int // offset of b in the module
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &Error{r.base + r.at, fmt.Sprintf(format, args...)}
	}
	r.at = len(r.b)
}

func (r *reader) unsupported(feature, where string, args ...any) {
	if r.err == nil {
		r.err = &Unsupported{feature, fmt.Sprintf(where, args...)}
	}
	r.at = len(r.b)
}

func (r *reader) more() bool { return r.at < len(r.b) }

func (r *reader) byte() byte {
	if r.at >= len(r.b) {
		r.fail("unexpected end")
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *reader) take(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)-r.at) {
		r.fail("%d bytes expected, %d left", n, len(r.b)-r.at)
		return nil
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at : r.at]
}

// u32 reads an unsigned LEB128 number of up to 32 bits.
func (r *reader) u32() uint32 {
	if r.at < len(r.b) && r.b[r.at] < 0x80 {
		r.at++
		return uint32(r.b[r.at-1])
	}
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		if shift == 28 && c > 0x0f {
			break
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.fail("number is longer than 32 bits")
	return 0
}

// skipLEB passes over a LEB128 number of up to bits bits, whatever its sign.
func (r *reader) skipLEB(bits int) {
	for n := 0; n < (bits+6)/7; n++ {
		if r.byte() < 0x80 {
			return
		}
	}
	r.fail("number is longer than %d bits", bits)
}

// s32 reads a signed LEB128 number of up to 32 bits.
func (r *reader) s32() int32 {
	var v int64
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if c&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return int32(v)
		}
	}
	r.fail("number is longer than 32 bits")
	return 0
}

func (r *reader) name() string {
	b := r.take(r.u32())
	if !utf8.Valid(b) {
		r.fail("name is not UTF-8")
	}
	return string(b)
}

// count reads the length of a vector whose elements take at least a byte each.
func (r *reader) count(what string, most int) int {
	n := r.u32()
	if int64(n) > int64(len(r.b)-r.at) || int64(n) > int64(most) {
		r.fail("%d %s are too many", n, what)
		return 0
	}
	return int(n)
}

// AppendU32 encodes v as unsigned LEB128.
func AppendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// AppendS64 encodes v as signed LEB128.
func AppendS64(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// AppendName encodes a name with its length.
func AppendName(b []byte, name string) []byte {
	return append(AppendU32(b, uint32(len(name))), name...)
}
