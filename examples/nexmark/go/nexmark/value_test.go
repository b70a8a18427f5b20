package nexmark

import "testing"

func TestNumbers(t *testing.T) {
	for _, n := range []int64{0, 1, 1000, 1 << 40, -1} {
		if got := ToNumber(PutNumber(nil, n)); got != n {
			t.Errorf("got %d, want %d", got, n)
		}
	}
}

func TestTexts(t *testing.T) {
	value := PutText(PutText(PutText(nil, []byte("Kate Jones")), nil), []byte("OR"))
	for _, want := range []string{"Kate Jones", "", "OR"} {
		var got []byte
		if got, value = TakeText(value); string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if len(value) != 0 {
		t.Errorf("%q is left", value)
	}
}
