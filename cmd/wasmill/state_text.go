package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// encoding says how bytes of a table are shown.
type encoding string

// The encodings. Raw is for a single value.
const (
	encodeAuto   encoding = "auto" // text if it is that, else base64
	encodeText   encoding = "text"
	encodeHex    encoding = "hex"
	encodeBase64 encoding = "base64"
	encodeRaw    encoding = "raw"
)

func (e *encoding) String() string { return string(*e) }
func (e *encoding) Type() string   { return "ENCODING" }

func (e *encoding) Set(s string) error {
	switch encoding(s) {
	case encodeAuto, encodeText, encodeHex, encodeBase64, encodeRaw:
		*e = encoding(s)
		return nil
	}
	return fmt.Errorf("must be auto, text, hex, base64 or raw")
}

// of is the encoding of these bytes.
func (e encoding) of(b []byte) encoding {
	switch {
	case e != encodeAuto:
		return e
	case isText(b):
		return encodeText
	}
	return encodeBase64
}

// isText tells text from numbers that happen to be UTF-8: those have control characters.
func isText(b []byte) bool {
	return utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool {
		return unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r'
	})
}

// json shows bytes as a value of JSON: text as a string, others as {"base64": …} or
// {"hex": …}.
func (e encoding) json(b []byte) any {
	switch e.of(b) {
	case encodeHex:
		return map[string]string{"hex": hex.EncodeToString(b)}
	case encodeBase64:
		return map[string]string{"base64": base64.StdEncoding.EncodeToString(b)}
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// cell shows bytes in a table: in the notation in which parseBytes takes them, text
// quoted if it would not be seen.
func (e encoding) cell(b []byte) string {
	switch e.of(b) {
	case encodeHex:
		return "hex:" + hex.EncodeToString(b)
	case encodeBase64:
		return "base64:" + base64.StdEncoding.EncodeToString(b)
	}
	text := strings.ToValidUTF8(string(b), "\uFFFD")
	unseen := func(r rune) bool { return !unicode.IsPrint(r) }
	for _, notation := range []string{"hex:", "base64:", "text:"} {
		if strings.HasPrefix(text, notation) {
			return "text:" + text
		}
	}
	if text == "" || strings.TrimSpace(text) != text || strings.HasPrefix(text, `"`) || strings.ContainsFunc(text, unseen) {
		return strconv.Quote(text)
	}
	return text
}

// parseBytes reads a key as a command line gives it: hex:…, base64:…, text:… or text.
func parseBytes(what, text string) ([]byte, error) {
	notation, rest, ok := strings.Cut(text, ":")
	var b []byte
	var err error
	switch {
	case ok && notation == "hex":
		b, err = hex.DecodeString(rest)
	case ok && notation == "base64":
		b, err = base64.StdEncoding.DecodeString(rest)
	case ok && notation == "text":
		return []byte(rest), nil
	default:
		return []byte(text), nil
	}
	if err != nil {
		return nil, usagef("%s %q: %w (text:%s if it is meant as it stands)", what, text, err, text)
	}
	return b, nil
}

// cut shortens a cell of a table.
func cut(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}
