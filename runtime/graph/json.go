package graph

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// maxDigits bounds numbers: arithmetic on them shall be cheap.
const maxDigits = 400

// json writes a value as JSON; fields come in the order of their names, so that equal
// values are equal bytes. What JSON can't say is reported.
func (p *parser) json(v *value) (json.RawMessage, bool) {
	decoded, ok := p.decoded(v)
	if !ok {
		return nil, false
	}
	return marshal(decoded), true
}

// marshal is for values that JSON can say.
func marshal(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return json.RawMessage("null")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func (p *parser) decoded(v *value) (any, bool) {
	switch v.kind {
	case mapping:
		object := make(map[string]any, len(v.fields))
		complete := true
		for _, f := range v.fields {
			element, ok := p.decoded(f.value)
			object[f.name] = element
			complete = complete && ok
		}
		return object, complete
	case sequence:
		list := make([]any, len(v.items))
		complete := true
		for i, item := range v.items {
			element, ok := p.decoded(item)
			list[i] = element
			complete = complete && ok
		}
		return list, complete
	case scalar:
		return p.decodedScalar(v)
	}
	return nil, false
}

func (p *parser) decodedScalar(v *value) (any, bool) {
	switch v.tag {
	case "!!null":
		return nil, true
	case "!!bool":
		return strings.EqualFold(v.text, "true"), true
	case "!!int", "!!float":
		if len(v.text) > maxDigits {
			p.add(v.at(), "put it in quotes if it is text", "is a number of %d digits, at most %d are allowed", len(v.text), maxDigits)
			return nil, false
		}
		text := strings.ReplaceAll(v.text, "_", "")
		if decimal.MatchString(text) {
			return json.Number(strings.TrimPrefix(text, "+")), true
		}
		if n, ok := new(big.Int).SetString(text, 0); ok {
			if digits := strings.TrimLeft(text, "+-"); digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
				p.add(v.at(), "put it in quotes, write it without the zero, or with 0o if it is octal", "%s is ambiguous", clip(v.text))
				return nil, false
			}
			return json.Number(n.String()), true
		}
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			p.add(v.at(), "", "%s is not a number that JSON can say", clip(v.text))
			return nil, false
		}
		return f, true
	case "!!str":
		return strings.ToValidUTF8(v.text, "\uFFFD"), true
	}
	p.add(v.at(), "put it in quotes", "%s is neither text, number nor true or false", clip(v.text))
	return nil, false
}
