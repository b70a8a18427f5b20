package main

import (
	"slices"
	"testing"

	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		name, text string
		words      []string
	}{
		{"words", "One, two! One-two 1871", []string{"one", "two", "one", "two", "1871"}},
		{"apostrophes", "'Twas the Tyger's 'eye' it’s '", []string{"twas", "the", "tyger's", "eye", "it’s"}},
		{"letters of the world", "Ærøskøbing ΑΛΦΑ हिन्दी 日本", []string{"ærøskøbing", "αλφα", "हिन्दी", "日本"}},
		{"no words", " —\t&", nil},
		{"empty", "", nil},
		{"no UTF-8", "a\xff\xfeb", []string{"a", "b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := wasmilltest.New(t, newOperator(), wasmilltest.Options{})
			h.Process(wasmilltest.Value(test.text))
			var got []string
			for _, r := range h.Take("words") {
				got = append(got, string(r.Key))
			}
			if !slices.Equal(got, test.words) {
				t.Errorf("got %q, want %q", got, test.words)
			}
		})
	}
}
