package graph

import (
	"math"
	"strings"
	"time"
)

// readOperator reads an operator; what depends on modules and connectors is Build's.
func (p *parser) readOperator(name string, v *value) *vertex {
	o := &vertex{name: name, at: v, reject: RejectFail, state: State{Backend: MemoryBackend}}
	is := func(role Role) func(*value) {
		return func(v *value) {
			s, ok := p.text(v)
			switch {
			case !ok:
				return
			case o.role != "":
				p.add(v.named(), "keep one of source, module and sink", "the operator is a %s already", o.role)
				return
			case s == "":
				p.add(v.at(), "", "is empty")
				return
			case role == RoleModule && remote(s):
				p.add(v.at(), "name a file", "%s: a module that is not a file %s", clip(s), notYet)
				return
			case role == RoleModule:
				s = p.absolute(v, s)
			}
			o.role, o.what, o.whatV = role, s, v
		}
	}
	keep := func(at **value) func(*value) { return func(v *value) { *at = v } }
	if !p.object(v, readers{
		"source": is(RoleSource), "module": is(RoleModule), "sink": is(RoleSink),
		"with": keep(&o.with), "config": keep(&o.config),
		"decode": keep(&o.decode), "encode": keep(&o.encode), "timestamp": keep(&o.timestamp), "key": keep(&o.key),
		"parallelism": func(v *value) {
			if n, ok := p.integer(v, 1, MaxParallelism); ok {
				o.parallelism = int(n)
			}
			o.parallelismV = v
		},
		"inputs":    func(v *value) { o.inputsV, o.inputs = v, p.readInputs(v) },
		"env":       func(v *value) { o.env = p.readEnv(v) },
		"limits":    func(v *value) { p.readLimits(o, v) },
		"onReject":  func(v *value) { p.readOnReject(o, v) },
		"watermark": func(v *value) { p.readWatermark(o, v) },
		"window":    func(v *value) { p.readWindow(o, v) },
		"state":     func(v *value) { p.readState(o, v) },
	}) {
		return o
	}
	if o.role == "" && v.get("source") == nil && v.get("module") == nil && v.get("sink") == nil {
		p.add(v.named(), "write one of source: CONNECTOR, module: FILE.wasm, sink: CONNECTOR", "operator is neither source nor module nor sink")
	}
	p.readFormat(o)
	return o
}

// readInputs reads a list of "operator", "operator.output" and {from, as, by, first}.
func (p *parser) readInputs(v *value) []input {
	if v.kind != sequence {
		p.mismatch(v, "a list", "write [name] if it is one")
		return nil
	}
	var inputs []input
	for _, item := range v.items {
		in := input{v: item, fromV: item, by: Forward}
		from := ""
		switch item.kind {
		case refused:
			continue
		case mapping:
			in.fromV = item.get("from")
			p.object(item, readers{
				"from": func(v *value) { from, _ = p.text(v) },
				"as":   func(v *value) { in.as, _ = p.text(v); in.asV = v },
				"by": func(v *value) {
					s, ok := p.oneOf(v, string(Forward), string(ByKey), string(Rebalance), string(Broadcast), string(Partitions))
					if in.byV = v; ok {
						in.by = Partition(s)
					}
				},
				"first": func(v *value) {
					in.first, _ = p.boolean(v)
					in.firstV = v
				},
			})
			if in.fromV == nil {
				p.add(item.at(), "write from: OPERATOR", "from is missing")
			}
		default:
			from, _ = p.text(item)
		}
		if in.fromV != nil && in.fromV.kind == scalar && in.fromV.text == "" && in.fromV.tag == "!!str" {
			p.add(in.fromV.at(), "", "is empty")
		}
		if from != "" {
			in.from, in.output, _ = strings.Cut(from, ".")
			inputs = append(inputs, in)
		}
	}
	return inputs
}

func (p *parser) readEnv(v *value) map[string]string {
	if v.kind != mapping {
		p.mismatch(v, "names and texts", "")
		return nil
	}
	env := map[string]string{}
	for _, f := range v.fields {
		switch {
		case f.value.kind == refused:
		case f.name == "" || strings.ContainsAny(f.name, "=\x00"):
			p.add(f.value.named(), "", "%s is not the name of a variable", quote(f.name))
		case f.value.kind == mapping && f.value.get("secret") != nil:
			p.add(f.value.at(), "write the value, or take it from the environment: ${NAME}", "a secret %s", notYet)
		default:
			if s, ok := p.text(f.value); ok && strings.ContainsRune(s, 0) {
				p.add(f.value.at(), "", "a variable can't have a zero byte")
			} else if ok {
				env[f.name] = s
			}
		}
	}
	return env
}

func (p *parser) readLimits(o *vertex, v *value) {
	l := &o.limits
	p.object(v, readers{
		"memory":       func(v *value) { l.Memory, _ = p.size(v, 64<<10, 4<<30) },
		"cpuPerBatch":  func(v *value) { l.CPUPerBatch, _ = p.duration(v, time.Millisecond, time.Hour) },
		"stackDepth":   func(v *value) { l.StackDepth, _ = p.integer(v, 16, 1_000_000) },
		"tableEntries": func(v *value) { l.TableEntries, _ = p.integer(v, 1, 1<<27) },
		"emitPerBatch": func(v *value) { l.EmitPerBatch, _ = p.size(v, 1, 4<<30) },
		"state": func(v *value) {
			o.state.Limit, _ = p.size(v, 1, math.MaxInt64)
			o.stateLimitV = v
		},
	})
}

// readOnReject reads fail, skip or {to: output}.
func (p *parser) readOnReject(o *vertex, v *value) {
	o.rejectV = v
	if v.kind != mapping {
		if s, ok := p.oneOf(v, string(RejectFail), string(RejectSkip)); ok {
			o.reject = RejectPolicy(s)
		}
		return
	}
	o.reject = RejectTo
	p.object(v, readers{"to": func(v *value) {
		s, ok := p.text(v)
		if ok && !operatorName.MatchString(s) {
			p.add(v.at(), "a name has 1 to 63 of a–z, A–Z, 0–9, _ and -, and starts with a letter", "%s is not a name for an output", quote(s))
			return
		}
		o.rejectTo = s
	}})
	if v.get("to") == nil {
		p.add(v.at(), "write fail, skip or {to: OUTPUT}", "to is missing")
	}
}

// readFormat reads what makes bytes records and records bytes. Whether the connector
// can do it is checked with its spec.
func (p *parser) readFormat(o *vertex) {
	fieldOf := func(v *value, into *string, more readers) {
		known := readers{"field": func(v *value) {
			if s, ok := p.text(v); ok && s == "" {
				p.add(v.at(), "", "is empty")
			} else {
				*into = s
			}
		}}
		for name, read := range more {
			known[name] = read
		}
		if p.object(v, known) && v.get("field") == nil {
			p.add(v.at(), "write {field: NAME}", "field is missing")
		}
	}
	if v := o.key; v != nil {
		fieldOf(v, &o.format.KeyField, nil)
	}
	switch v := o.timestamp; {
	case v == nil:
	case v.kind == mapping:
		o.format.Timestamp, o.format.TimestampUnit = "field", "ms"
		fieldOf(v, &o.format.TimestampField, readers{"unit": func(v *value) {
			if s, ok := p.oneOf(v, "s", "ms", "us", "ns", "rfc3339"); ok {
				o.format.TimestampUnit = s
			}
		}})
	default:
		o.format.Timestamp, _ = p.oneOf(v, "arrival", "none")
	}
}
