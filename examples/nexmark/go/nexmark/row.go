package nexmark

import "strconv"

// Row is a JSON object on its way out. What stands before a field is given with its name,
// as it is: `,"price":`.
type Row []byte

// Number adds a field that is a number.
func (r Row) Number(before string, n int64) Row {
	return strconv.AppendInt(append(r, before...), n, 10)
}

// Text adds a field that is a text.
func (r Row) Text(before string, text []byte) Row {
	return appendText(append(r, before...), text)
}

// End closes the object.
func (r Row) End() Row { return append(r, '}') }

// Bid adds all that queries show of a bid.
func (r Row) Bid(b Bid) Row {
	return r.
		Number(`{"auction":`, b.Auction()).
		Number(`,"bidder":`, b.Bidder()).
		Number(`,"price":`, b.Price()).
		Number(`,"dateTime":`, b.DateTime()).
		Text(`,"extra":`, b.Extra()).
		End()
}

func appendText(to, text []byte) []byte {
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
