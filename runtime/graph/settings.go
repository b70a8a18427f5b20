package graph

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// readConnector checks a source or sink against what its connector says it takes.
func (b *builder) readConnector(o *vertex) {
	find, names := b.catalog.Source, b.catalog.Sources
	if o.role == RoleSink {
		find, names = b.catalog.Sink, b.catalog.Sinks
	}
	spec, ok := find(o.what)
	if !ok {
		b.add(o.whatV.at(), Suggest(o.what, names()), "no %s %s", o.role, quote(o.what))
		return
	}
	b.refuseField(o.config, "write the settings of a connector under with", "is for modules")
	b.readFormats(o, spec)
	if n := spec.MaxParallelism; n > 0 && b.parallelism(o) > n {
		at := o.at.named()
		if o.parallelismV != nil {
			at = o.parallelismV.at()
		}
		b.add(at, fmt.Sprintf("write parallelism: %d here, and by: rebalance at its other end", n), "%s %s has at most %d subtask, not %d", o.role, o.what, n, b.parallelism(o))
	}
	o.settings = b.readSettings(o, spec)
	o.twoPhase = spec.TwoPhase
	o.endless = spec.Endless != nil && spec.Endless(o.settings)
}

func (b *builder) refuseField(v *value, hint, format string, args ...any) {
	if v != nil {
		b.add(v.named(), hint, format, args...)
	}
}

// readFormats checks decode, encode, key and timestamp.
func (b *builder) readFormats(o *vertex, spec ConnectorSpec) {
	v, into := o.decode, &o.format.Decode
	if o.role == RoleSink {
		v, into = o.encode, &o.format.Encode
		b.refuseField(o.decode, "a sink has encode", "is for sources")
		b.refuseField(o.key, "", "is for sources")
		b.refuseField(o.timestamp, "", "is for sources")
	} else {
		b.refuseField(o.encode, "a source has decode", "is for sinks")
	}
	switch {
	case v != nil && len(spec.Formats) == 0:
		b.add(v.named(), "remove it", "%s %s has no choice of format", o.role, o.what)
	case v != nil:
		*into, _ = b.oneOf(v, spec.Formats...)
	case len(spec.Formats) > 0:
		*into = spec.Formats[0]
	}
	if o.role == RoleSink {
		return
	}
	// Whatever is decoded may be JSON, lines too: whether it is, each record shows.
	if o.key != nil && len(spec.Formats) == 0 {
		b.add(o.key.named(), "remove it", "records of source %s have no fields", o.what)
	}
	if o.timestamp != nil && !spec.Timestamps {
		b.add(o.timestamp.named(), "remove it", "source %s sets the timestamps itself", o.what)
	}
}

// readSettings makes Operator.With of `with`.
func (b *builder) readSettings(o *vertex, spec ConnectorSpec) json.RawMessage {
	settings := map[string]json.RawMessage{}
	known := readers{}
	for _, f := range spec.Fields {
		if f.Default != "" {
			text := &value{kind: scalar, tag: plainTag(f.Default), text: f.Default, file: b.file}
			if raw, ok := b.setting(f, text); ok {
				settings[f.Name] = raw
			}
		}
		known[f.Name] = func(v *value) {
			raw, ok := b.setting(f, v)
			if !ok {
				return
			}
			settings[f.Name] = raw
			if f.Exclusive {
				b.claim(o, v, f.Name+"="+string(raw))
			}
		}
	}
	switch {
	case o.with != nil:
		b.object(o.with, known)
	case o.at.get("with") != nil:
		return nil // reported
	}
	for _, f := range spec.Fields {
		if f.Required && (o.with == nil || o.with.get(f.Name) == nil) {
			b.add(o.withNamed(), f.Doc, "%s %s needs %s", o.role, o.what, f.Name)
		}
	}
	return marshal(settings)
}

// withNamed is where the settings are asked for.
func (o *vertex) withNamed() place {
	if o.with != nil {
		return o.with.named()
	}
	return o.at.named()
}

// claim reports a value that belongs to another operator.
func (b *builder) claim(o *vertex, v *value, setting string) {
	setting = string(o.role) + " " + o.what + " " + setting
	if owner, taken := b.claimed[setting]; taken {
		b.add(v.at(), "give each its own", "%s is what %s has", clip(v.text), owner)
		return
	}
	b.claimed[setting] = o.name
}

// setting is one value as the connector gets it.
func (b *builder) setting(f Field, v *value) (json.RawMessage, bool) {
	var result any
	var ok bool
	most := f.Max
	if most == 0 {
		most = math.MaxInt64
	}
	switch f.Type {
	case FieldInt:
		if n, isWord := f.Words[v.text]; isWord && v.kind == scalar {
			result, ok = n, true
		} else {
			result, ok = b.integer(v, f.Min, most)
		}
	case FieldBool:
		result, ok = b.boolean(v)
	case FieldDuration:
		result, ok = b.duration(v, time.Duration(f.Min), time.Duration(most))
	case FieldSize:
		result, ok = b.size(v, f.Min, most)
	case FieldTime:
		result, ok = b.time(v, f.Min, most)
	case FieldPath:
		var path string
		if path, ok = b.text(v); ok && path == "" {
			b.add(v.at(), "", "is empty")
			return nil, false
		}
		result = b.absolute(v, path)
	case FieldList:
		return b.list(f, v)
	default:
		if len(f.Enum) > 0 {
			result, ok = b.oneOf(v, f.Enum...)
		} else {
			result, ok = b.text(v)
		}
	}
	if !ok {
		return nil, false
	}
	raw := marshal(result)
	return raw, b.agreed(f, v, raw)
}

func (b *builder) list(f Field, v *value) (json.RawMessage, bool) {
	if v.kind != sequence {
		b.mismatch(v, "a list", "")
		return nil, false
	}
	elements := make([]json.RawMessage, 0, len(v.items))
	complete := true
	for _, item := range v.items {
		raw, ok := b.json(item)
		complete = ok && b.agreed(f, item, raw) && complete
		elements = append(elements, raw)
	}
	if !complete {
		return nil, false
	}
	return marshal(elements), true
}

// agreed asks the connector.
func (b *builder) agreed(f Field, v *value, raw json.RawMessage) bool {
	if f.Check == nil {
		return true
	}
	if err := f.Check(raw); err != nil {
		b.add(v.at(), f.Doc, "%s", oneLine(err))
		return false
	}
	return true
}
