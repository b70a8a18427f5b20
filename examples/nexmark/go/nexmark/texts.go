package nexmark

import "encoding/binary"

// PutText adds a text to a value that an operator makes, behind its length, as in events.
// It has at most 65,535 bytes.
func PutText(to, text []byte) []byte {
	return append(binary.LittleEndian.AppendUint16(to, uint16(len(text))), text...)
}

// TakeText takes the first text off texts.
func TakeText(texts []byte) (first, rest []byte) {
	first = text(texts)
	return first, texts[2+len(first):]
}
