package main

import "testing"

// Of readings that go up and down by one, one that is far off is odd, once there are
// enough to know.
func TestLearn(t *testing.T) {
	var s sensor
	for n := range 40 {
		if s.learn(100 + float64(n%2)) {
			t.Fatalf("reading %d is odd", n)
		}
	}
	if s.mean != 100.5 || s.readings != 40 {
		t.Errorf("mean %v of %d readings, want 100.5 of 40", s.mean, s.readings)
	}
	if !s.learn(110) {
		t.Error("110 is not odd")
	}
	var young sensor
	young.learn(100)
	if young.learn(1000) {
		t.Error("the second reading is odd")
	}
}

func TestReadingOf(t *testing.T) {
	for text, want := range map[string]float64{"": 0, "A": 65, "zzzAAAAAAAB": 7*65 + 66} {
		if got := readingOf([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
