package record_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/wasmill/wasmill/runtime/record"
)

func TestCursorStopsAtMalformedBytes(t *testing.T) {
	for _, c := range malformedBatches() {
		t.Run(c.name, func(t *testing.T) {
			cursor := record.NewCursor(c.batch)
			for cursor.Next() {
				if end := cursor.Offset(); end > len(c.batch) {
					t.Fatalf("walked to %d of %d bytes", end, len(c.batch))
				}
			}
			// What a cursor does not look at, Validate does.
			if _, err := record.Validate(c.batch); err == nil {
				t.Fatal("Validate: no error")
			}
		})
	}
}

func TestBuilder(t *testing.T) {
	var b record.Builder
	b.Append(record.UpdateAfter, 5, []byte("k"), []byte("v"))
	encoded := bytes.Clone(b.Bytes())
	b.Reset()
	if b.Len() != 0 || b.Count() != 0 {
		t.Fatalf("after Reset: %d bytes, %d records", b.Len(), b.Count())
	}
	b.AppendBytes(encoded)
	copy(b.Extend(record.Insert, 6, []byte("key"), 5), "value")
	if n, err := record.Validate(b.Bytes()); n != 2 || err != nil || b.Count() != 2 {
		t.Fatalf("Validate: %d, %v; Count: %d", n, err, b.Count())
	}
	cursor := record.NewCursor(b.Bytes())
	cursor.Next()
	if !bytes.Equal(cursor.Bytes(), encoded) {
		t.Errorf("AppendBytes: %x, want %x", cursor.Bytes(), encoded)
	}
	cursor.Next()
	if string(cursor.Key) != "key" || string(cursor.Value) != "value" || cursor.Timestamp != 6 {
		t.Errorf("Extend: %+v", cursor.Record)
	}
}

func TestBuilderWritesIntoItsBuffer(t *testing.T) {
	buf := make([]byte, 0, 64)
	b := record.NewBuilder(buf)
	b.Append(record.Insert, 1, nil, []byte("v"))
	if &b.Bytes()[0] != &buf[:1][0] {
		t.Error("the batch is elsewhere")
	}
}

func TestKindString(t *testing.T) {
	for kind, want := range map[record.Kind]string{
		record.Insert: "insert", record.Delete: "delete", record.UpdateBefore: "update-before",
		record.UpdateAfter | record.KeyAbsent | record.Extended: "update-after",
	} {
		if got := kind.String(); got != want {
			t.Errorf("%#x: %s, want %s", uint8(kind), got, want)
		}
	}
}

// FuzzBatch checks on any bytes that Validate and Cursor agree, stay inside, and that
// what is valid is built again byte for byte.
func FuzzBatch(f *testing.F) {
	for _, c := range validBatches() {
		var b record.Builder
		for _, r := range c.records {
			b.AppendRecord(&r)
		}
		f.Add(bytes.Clone(b.Bytes()))
	}
	for _, c := range malformedBatches() {
		f.Add(c.batch)
	}
	f.Fuzz(func(t *testing.T, batch []byte) {
		want, err := record.Validate(batch)
		var b record.Builder
		n := 0
		cursor := record.NewCursor(batch)
		for ; cursor.Next(); n++ {
			if cursor.Offset() > len(batch) {
				t.Fatalf("walked to %d of %d bytes", cursor.Offset(), len(batch))
			}
			b.AppendRecord(&cursor.Record)
		}
		count := record.Count(batch)
		if err != nil {
			return
		}
		if cursor.Err() != nil || n != want || count != want {
			t.Fatalf("Validate: %d records; Cursor: %d, %v; Count: %d", want, n, cursor.Err(), count)
		}
		if !bytes.Equal(b.Bytes(), batch) {
			t.Fatalf("built again: %x", b.Bytes())
		}
	})
}

// TestRandomBatches builds batches of random records and reads them back.
func TestRandomBatches(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 4096)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	for range 500 {
		var want []record.Record
		var b record.Builder
		for range random.IntN(20) {
			r := record.Record{Kind: record.Kind(random.IntN(4)), Timestamp: random.Int64() - 1, Key: data[:random.IntN(40)], Value: data[:random.IntN(4096)]}
			if random.IntN(4) == 0 {
				r.Kind |= record.Extended
				r.Extension = data[:random.IntN(64)]
			}
			want = append(want, r)
			b.AppendRecord(&r)
		}
		if n, err := record.Validate(b.Bytes()); n != len(want) || err != nil {
			t.Fatalf("Validate: %d, %v; want %d", n, err, len(want))
		}
		cursor := record.NewCursor(b.Bytes())
		for i := range want {
			if !cursor.Next() || cursor.Kind != want[i].Kind || cursor.Timestamp != want[i].Timestamp ||
				!bytes.Equal(cursor.Key, want[i].Key) || !bytes.Equal(cursor.Value, want[i].Value) {
				t.Fatalf("record %d: %+v, want %+v", i, cursor.Record, want[i])
			}
		}
	}
}
