package nexmark

import (
	"encoding/json"
	"testing"
)

func TestRow(t *testing.T) {
	row := Row(nil).Number(`{"n":`, -1).Text(`,"text":`, []byte("a")).Number(`,"max":`, 1<<63-1).End()
	if got, want := string(row), `{"n":-1,"text":"a","max":9223372036854775807}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRowText(t *testing.T) {
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
		row := Row(nil).Text(`{"text":`, []byte(text)).End()
		var got struct{ Text string }
		if err := json.Unmarshal(row, &got); err != nil || got.Text != text {
			t.Errorf("%q becomes %s: %v", text, row, err)
		}
	}
}
