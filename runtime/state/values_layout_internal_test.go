package state

import (
	"math/rand/v2"
	"testing"
)

// Cleaning a unit has to find every record of it, whatever sizes follow on one another.
func TestRecordsOfAUnitAreFound(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		var lengths []int
		var places []int
		end := int64(0)
		for range 40 {
			length := 1 + random.IntN(200)
			if random.IntN(4) == 0 {
				length = 1 + random.IntN(3*pageSize)
			}
			var at int64
			at, end = layOut(end, length)
			lengths, places = append(lengths, length), append(places, int(at))
		}
		b := make([]byte, (end+pageSize-1)&^(pageSize-1))
		for i, at := range places {
			putDiskHead(b[at:], 1, 1, lengths[i])
			for j := range lengths[i] {
				b[at+diskHead+j] = 0xff
			}
		}
		found := 0
		if err := eachOnDisk(b, func(at, length int) error {
			if found == len(places) || at != places[found] || length != lengths[found] {
				t.Fatalf("record %d is found at %d with %d bytes, and is at %d with %d", found, at, length, places[min(found, 39)], lengths[min(found, 39)])
			}
			found++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if found != len(places) {
			t.Fatalf("%d of %d records are found", found, len(places))
		}
	}
}
