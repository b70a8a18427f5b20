// Command split is an operator: it cuts text into words and gives out a record for
// each, with the word, in lower case, as key.
package main

import (
	"bytes"
	"strings"
	"unicode"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	return wasmill.Operator{
		Name:    "split",
		Version: "1.0.0",
		Inputs:  []string{"text"},
		Outputs: []string{"words"},
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			for word := range bytes.FieldsFuncSeq(r.Value, isBetween) {
				if word = bytes.Trim(word, apostrophes); len(word) > 0 {
					c.Emit(&wasmill.Record{Timestamp: r.Timestamp, Key: bytes.ToLower(word)})
				}
			}
			return nil
		},
	}
}

// apostrophes belong to a word when they are within it.
const apostrophes = "'’"

// isBetween is true of what is between words; bytes that are no UTF-8 are, too.
func isBetween(r rune) bool {
	return !unicode.In(r, unicode.Letter, unicode.Digit, unicode.Mark) && !strings.ContainsRune(apostrophes, r)
}
