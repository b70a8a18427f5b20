package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// readConfig checks `config` against the module's schema and makes JSON of it.
func (b *builder) readConfig(o *vertex, schema json.RawMessage) json.RawMessage {
	v := o.config
	switch {
	case v == nil && o.at.get("config") != nil:
		return nil // reported
	case v == nil:
		v = &value{kind: mapping}
	}
	if v.kind != mapping {
		b.mismatch(v, "fields", "")
		return nil
	}
	decoded, ok := b.decoded(v)
	if !ok {
		return nil
	}
	raw := marshal(decoded)
	if len(schema) == 0 || string(schema) == "null" {
		return raw
	}
	compiled, err := compileSchema(schema)
	if err != nil {
		b.add(o.whatV.at(), "tell the module's author", "the config schema that %s describes can't be used: %s", b.relative(o.what), oneLine(err))
		return nil
	}
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err == nil {
		err = compiled.Validate(instance)
	}
	var invalid *jsonschema.ValidationError
	switch {
	case errors.As(err, &invalid):
		b.configProblems(o, invalid)
	case err != nil:
		b.add(o.at.named(), "", "config: %s", oneLine(err))
	}
	return raw
}

// compileSchema reads a schema that a module gave: it may say anything, and refers to
// nothing but itself.
func compileSchema(schema json.RawMessage) (*jsonschema.Schema, error) {
	const maxSchema = 256 << 10
	if len(schema) > maxSchema {
		return nil, fmt.Errorf("it has %d bytes, at most %d are allowed", len(schema), maxSchema)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(schema)))
	if err != nil {
		return nil, err
	}
	if err := checkNumbers(document); err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(nothingElse{})
	if err := c.AddResource(schemaURL, document); err != nil {
		return nil, err
	}
	return c.Compile(schemaURL)
}

// schemaURL is what relative references of a schema are resolved against.
const schemaURL = "urn:wasmill:config"

type nothingElse struct{}

func (nothingElse) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s: a config schema can refer only to itself", url)
}

// checkNumbers refuses numbers whose exact arithmetic would take gigabytes.
func checkNumbers(v any) error {
	switch v := v.(type) {
	case json.Number:
		if f, err := strconv.ParseFloat(string(v), 64); len(v) > maxDigits || err != nil || f == 0 && strings.ContainsAny(string(v), "123456789") {
			return fmt.Errorf("%s is not a number that a config can have", clip(string(v)))
		}
	case []any:
		for _, element := range v {
			if err := checkNumbers(element); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, element := range v {
			if err := checkNumbers(element); err != nil {
				return err
			}
		}
	}
	return nil
}

var english = message.NewPrinter(language.English)

// configProblems reports the innermost causes, each at the value it is about, or at
// the closest one around it that the file has.
func (b *builder) configProblems(o *vertex, e *jsonschema.ValidationError) {
	if len(e.Causes) > 0 {
		for _, cause := range e.Causes {
			b.configProblems(o, cause)
		}
		return
	}
	at := o.at.named()
	if v := o.config; v != nil {
		at = v.named()
		for _, name := range e.InstanceLocation {
			if v = v.child(name); v == nil {
				break
			}
			at = v.at()
		}
	} else {
		at.path += ".config"
	}
	b.add(at, "", "%s", oneLine(errors.New(e.ErrorKind.LocalizedString(english))))
}

// child is the value that a step of a JSON pointer means.
func (v *value) child(name string) *value {
	if v.kind == sequence {
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(v.items) {
			return v.items[i]
		}
		return nil
	}
	return v.get(name)
}
