package keygroup

import (
	"fmt"
	"testing"
)

func TestRangesCoverEveryGroupOnce(t *testing.T) {
	for _, maximum := range []int{1, 2, 7, 128, 32768} {
		for _, parallelism := range []int{1, 2, 3, 7, 8, maximum} {
			if parallelism > maximum {
				continue
			}
			next := 0
			for s := range parallelism {
				first, end := Range(s, parallelism, maximum)
				if first != next {
					t.Fatalf("max %d, parallelism %d: subtask %d starts at %d, want %d", maximum, parallelism, s, first, next)
				}
				for g := first; g < end; g++ {
					if got := Subtask(g, parallelism, maximum); got != s {
						t.Fatalf("max %d, parallelism %d: group %d is subtask %d's, Range says %d's", maximum, parallelism, g, got, s)
					}
				}
				next = end
			}
			if next != maximum {
				t.Fatalf("max %d, parallelism %d: ranges end at %d", maximum, parallelism, next)
			}
		}
	}
}

// The groups of these keys are in every savepoint; a change of them loses state.
func TestGroupsNeverChange(t *testing.T) {
	for key, want := range map[string]int{"": 25, "a": 91, "ATL": 102, "key-00000042": 61} {
		if got := Of([]byte(key), 128); got != want {
			t.Errorf("Of(%q, 128) = %d, want %d", key, got, want)
		}
	}
}

func BenchmarkOf(b *testing.B) {
	for _, n := range []int{4, 16, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			key := make([]byte, n)
			for b.Loop() {
				Of(key, 128)
			}
		})
	}
}
