package record_test

import (
	"testing"

	"github.com/wasmill/wasmill/runtime/record"
)

// The benchmarks count one record as one operation: ns/op is the figure of the bars.

func hundredBytes() (key, value []byte, batch []byte, records int) {
	key, value = []byte("00000042"), make([]byte, 100)
	var b record.Builder
	for b.Len() < 32<<10 {
		b.Append(record.Insert, 1_700_000_000_000, key, value)
	}
	return key, value, b.Bytes(), b.Count()
}

func BenchmarkCursor(b *testing.B) {
	_, _, batch, records := hundredBytes()
	b.ReportAllocs()
	b.SetBytes(int64(len(batch) / records))
	var sum int64
	for done := 0; done < b.N; {
		for c := record.NewCursor(batch); c.Next() && done < b.N; done++ {
			sum += c.Timestamp + int64(len(c.Key)+len(c.Value))
		}
	}
	sink = sum
}

func BenchmarkBuilder(b *testing.B) {
	key, value, batch, records := hundredBytes()
	builder := record.NewBuilder(make([]byte, 0, len(batch)))
	b.ReportAllocs()
	b.SetBytes(int64(len(batch) / records))
	for done := 0; done < b.N; {
		builder.Reset()
		for n := 0; n < records && done < b.N; n++ {
			builder.Append(record.Insert, int64(done), key, value)
			done++
		}
	}
	sink = int64(builder.Len())
}

func BenchmarkValidate(b *testing.B) {
	_, _, batch, records := hundredBytes()
	b.ReportAllocs()
	b.SetBytes(int64(len(batch) / records))
	for done := 0; done < b.N; done += records {
		if _, err := record.Validate(batch); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCount(b *testing.B) {
	_, _, batch, records := hundredBytes()
	b.ReportAllocs()
	b.SetBytes(int64(len(batch) / records))
	for done := 0; done < b.N; done += records {
		sink = int64(record.Count(batch))
	}
}

var sink int64
