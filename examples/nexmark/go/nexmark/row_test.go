package nexmark_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/wasmill/wasmill/examples/nexmark/go/nexmark"
)

func TestAppendText(t *testing.T) {
	const plain = "H to z, and then some more of it"
	texts := []string{"", `\`, `\\\\\\\\\`, "\x00\x1f\n\t\"", "Malmö ist schön, østlig også"}
	for length := range len(plain) {
		for at := range length {
			for _, c := range []byte{'"', '\\', 0, 0x1f, ' ', '!', '#', '[', ']', 0x7f} {
				text := []byte(plain[:length])
				text[at] = c
				texts = append(texts, string(text))
			}
		}
	}
	for _, text := range texts {
		quoted := nexmark.AppendText([]byte("before"), []byte(text))
		rest, ok := bytes.CutPrefix(quoted, []byte("before"))
		var got string
		if err := json.Unmarshal(rest, &got); err != nil || !ok || got != text {
			t.Errorf("%q becomes %s: %v", text, quoted, err)
		}
	}
}
