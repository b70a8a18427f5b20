package nexmark

// AppendText adds a text as a JSON string.
func AppendText(to, text []byte) []byte {
	to = append(to, '"')
	from, at := 0, 0
	for at < len(text) {
		if at+8 <= len(text) && !escapes(load(text, at)) {
			at += 8
			continue
		}
		// One of the next eight bytes, or of the last few.
		if c := text[at]; c == '"' || c == '\\' || c < ' ' {
			to = appendEscape(append(to, text[from:at]...), c)
			from = at + 1
		}
		at++
	}
	return append(append(to, text[from:]...), '"')
}

// escapes reports whether one of eight bytes can't stand in a JSON string as it is. It
// may say so of eight that can, if some of them are not ASCII.
func escapes(word uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	quote, slash := word^ones*'"', word^ones*'\\'
	return ((word-ones*' ')|(quote-ones)|(slash-ones)|word)&high != 0
}

func appendEscape(to []byte, c byte) []byte {
	if c >= ' ' {
		return append(to, '\\', c)
	}
	const hex = "0123456789abcdef"
	return append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
