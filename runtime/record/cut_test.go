package record

import "testing"

func TestCut(t *testing.T) {
	var b Builder
	for _, size := range []int{4, 4, 84, 4} { // with their headers 20, 20, 100, 20 bytes
		b.Append(Insert, NoTimestamp, nil, make([]byte, size))
	}
	for _, test := range []struct{ from, max, want int }{
		{0, 1000, 160}, {0, 160, 160}, {0, 159, 140}, {0, 60, 40}, {0, 40, 40}, {0, 39, 20}, {0, 1, 20}, {40, 30, 100}, {160, 10, 0},
	} {
		if got := Cut(b.Bytes()[test.from:], test.max); got != test.want {
			t.Errorf("Cut(%d bytes, %d) = %d, want %d", b.Len()-test.from, test.max, got, test.want)
		}
	}
}
