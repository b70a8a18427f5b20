package connector

const hexDigits = "0123456789abcdef"

// appendQuoted adds valid UTF-8 as a JSON string.
func appendQuoted(to, text []byte) []byte {
	to = append(to, '"')
	return append(appendEscaped(to, text), '"')
}

// appendEscaped adds valid UTF-8 as the inside of a JSON string.
func appendEscaped(to, text []byte) []byte {
	for {
		n := plainEnd(text, 0)
		to = append(to, text[:n]...)
		if n == len(text) {
			return to
		}
		switch b := text[n]; b {
		case '"', '\\':
			to = append(to, '\\', b)
		case '\n':
			to = append(to, '\\', 'n')
		case '\r':
			to = append(to, '\\', 'r')
		case '\t':
			to = append(to, '\\', 't')
		default:
			to = append(to, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
		}
		text = text[n+1:]
	}
}
