package nexmark

import "encoding/binary"

// Between operators, numbers are eight bytes and texts lie behind their length, as in
// events.

// PutNumber adds a number to a value.
func PutNumber(to []byte, n int64) []byte { return binary.LittleEndian.AppendUint64(to, uint64(n)) }

// ToNumber is the number that b begins with.
func ToNumber(b []byte) int64 { return number(b, 0) }

// PutText adds a text to a value. It has at most 65,535 bytes.
func PutText(to, text []byte) []byte {
	return append(binary.LittleEndian.AppendUint16(to, uint16(len(text))), text...)
}

// TakeText takes the first text off texts.
func TakeText(texts []byte) (first, rest []byte) {
	first = text(texts)
	return first, texts[2+len(first):]
}
