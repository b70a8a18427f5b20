package wasmill

// Describe is what the module says of its operator, as JSON.
func (i *Instance) Describe() []byte {
	op, shape := &i.op, "process"
	if op.Poll != nil {
		shape = "source"
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
	if op.ConfigSchema != "" {
		b = append(append(b, `,"config":`...), op.ConfigSchema...)
	}
	return append(b, '}')
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
