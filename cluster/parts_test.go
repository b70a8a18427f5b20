package cluster

import (
	"bytes"
	"errors"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
)

func TestMessagesGoInParts(t *testing.T) {
	a, b := newSplitter(), newSplitter()
	for _, size := range []int{0, 1, maxPart, maxPart + 1, 3 * maxPart, 3*maxPart + 7} {
		want := bytes.Repeat([]byte("{abc"), size/4+1)[:size]
		other := bytes.Repeat([]byte("{x"), maxPart)
		var j joiner
		// Senders' parts mix, their own stay in order.
		mine, theirs := a.split(want), b.split(other)
		var got [][]byte
		for len(mine)+len(theirs) > 0 {
			for _, from := range []*[][]byte{&mine, &theirs} {
				if len(*from) == 0 {
					continue
				}
				if len((*from)[0]) > 1<<20 {
					t.Fatalf("a part of %d bytes", len((*from)[0]))
				}
				m, err := j.join((*from)[0])
				if err != nil {
					t.Fatal(err)
				}
				if *from = (*from)[1:]; m != nil {
					got = append(got, m)
				}
			}
		}
		if size == 0 {
			continue // no message is empty
		}
		if len(got) != 2 || !bytes.Equal(got[0], want) && !bytes.Equal(got[1], want) || len(j.begun) > 0 {
			t.Errorf("%d bytes: %d messages arrived, %d are begun", size, len(got), len(j.begun))
		}
	}
}

func TestMissingPartsAreNoticed(t *testing.T) {
	parts := newSplitter().split(bytes.Repeat([]byte("x"), 3*maxPart))
	for _, order := range [][]int{{1}, {0, 2}, {0, 0}, {0, 1, 1}} {
		var j joiner
		var err error
		for _, i := range order {
			if err != nil {
				t.Fatalf("%v: %v", order, err)
			}
			_, err = j.join(parts[i])
		}
		if !errors.Is(err, fault.ErrTransient) {
			t.Errorf("%v: %v", order, err)
		}
	}
}

func FuzzParts(f *testing.F) {
	parts := newSplitter().split(bytes.Repeat([]byte("x"), maxPart+9))
	f.Add(parts[0][:200], parts[1])
	f.Add([]byte("P"), []byte("{}"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var j joiner
		for _, p := range [][]byte{a, b, a} {
			if _, err := j.join(p); err != nil && !errors.Is(err, fault.ErrTransient) && !errors.Is(err, fault.ErrCorrupt) {
				t.Errorf("neither transient nor corrupt: %v", err)
			}
		}
	})
}
