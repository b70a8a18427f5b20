package wasmill

import "strconv"

// Describe is what the module says of its operator, as JSON.
func (i *Instance) Describe() []byte {
	op, shape := &i.op, "process"
	if op.Poll != nil {
		shape = "source"
	}
	if op.Aggregate != nil {
		shape = "aggregate"
	}
	if op.Apply != nil {
		shape = "apply"
	}
	b := append([]byte(nil), `{"abi":1,"name":`...)
	b = appendString(b, op.Name)
	if op.Version != "" {
		b = appendString(append(b, `,"version":`...), op.Version)
	}
	b = appendString(append(b, `,"shape":`...), shape)
	b = appendStrings(append(b, `,"inputs":`...), op.Inputs)
	b = appendStrings(append(b, `,"outputs":`...), op.Outputs)
	if op.KeepsKey {
		b = append(b, `,"keepsKey":true`...)
	}
	b = i.appendTables(b)
	if op.ConfigSchema != "" {
		b = append(append(b, `,"config":`...), op.ConfigSchema...)
	}
	return append(b, '}')
}

func (i *Instance) appendTables(b []byte) []byte {
	for n, t := range i.context.store.tables {
		b = append(b, ","...)
		if n == 0 {
			b = append(b, `"tables":[`...)
		}
		scope := string(t.scope)
		if t.scope == Keyed {
			scope = "key"
		}
		b = appendString(append(b, `{"name":`...), t.name)
		b = appendString(append(b, `,"scope":`...), scope)
		if t.ttl > 0 {
			b = appendString(append(b, `,"ttl":`...), t.ttl.String())
		}
		b = append(b, '}')
	}
	if len(i.context.store.tables) > 0 {
		b = append(b, ']')
	}
	if i.op.StateVersion > 0 {
		b = strconv.AppendUint(append(b, `,"stateVersion":`...), uint64(i.op.StateVersion), 10)
	}
	return b
}

func appendStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for n, s := range list {
		if n > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}

// appendString quotes s for JSON.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s { // invalid UTF-8 becomes U+FFFD
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = append(b, string(r)...)
		}
	}
	return append(b, '"')
}
