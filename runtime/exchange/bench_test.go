package exchange

import (
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/record"
)

// benchBatch is a batch as a guest emits it: records of 124 bytes, keys of 8.
func benchBatch(records int) []byte {
	var b record.Builder
	value := []byte(strings.Repeat("v", 100))
	for i := range records {
		b.Append(record.Insert, int64(i), fmt.Appendf(nil, "key%05d", i*7919%100000), value)
	}
	return b.Bytes()
}

// BenchmarkWriteByKey is the sending side alone: what is closed is dropped.
func BenchmarkWriteByKey(b *testing.B) {
	for _, maxParallelism := range []int{128, 1000} {
		b.Run(fmt.Sprint("groups=", maxParallelism), func(b *testing.B) {
			h, _ := openLocal(b, Config{})
			for to := range 2 {
				if _, err := h.Inbox("receiver", to, []Channel{{To: to}}, func(Channel) bool { return false }); err != nil {
					b.Fatal(err)
				}
			}
			w, err := h.Writer(0, 0, 2, graph.ByKey, maxParallelism, func(int) bool { return false })
			if err != nil {
				b.Fatal(err)
			}
			batch := benchBatch(500)
			b.SetBytes(int64(len(batch) / 500))
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += 500 {
				w.Write(batch)
				w.drop()
			}
		})
	}
}

// BenchmarkChannel is one sender and one receiver, records of 124 bytes by key.
func BenchmarkChannel(b *testing.B) {
	for _, m := range media() {
		b.Run(m.name, func(b *testing.B) {
			e := openEdge(b, m, Config{}, 1, 1, graph.ByKey)
			batch := benchBatch(500)
			b.SetBytes(int64(len(batch) / 500))
			b.ReportAllocs()
			b.ResetTimer()
			e.sending.Go(func() {
				for n := 0; n < b.N; n += 500 {
					e.writers[0].Write(batch)
					if e.writers[0].backlog > 0 {
						drainOpen(b, e.writers[0])
					}
				}
				e.writers[0].Control(Element{Kind: End})
				drain(b, e.writers[0])
			})
			receiveBytes(b, e.inboxes[0])
			e.close()
		})
	}
}

// drainOpen sends what is full.
func drainOpen(t testing.TB, w *Writer) {
	for {
		done, err := w.Drain()
		if err != nil {
			t.Error(err)
			return
		}
		if done {
			return
		}
		select {
		case <-w.Room():
		case <-w.hub.Failed():
		}
	}
}

// receiveBytes reads an inbox of one channel to its end and counts what came.
func receiveBytes(t testing.TB, in *Inbox) (total int) {
	for {
		_, el, ok := in.Next()
		switch {
		case !ok:
			select {
			case <-in.Ready():
			case <-in.hub.Failed():
				t.Error(in.hub.Err())
				return total
			}
		case el.Kind == End:
			return total
		default:
			total += len(el.Batch)
			in.Release(el)
		}
	}
}

// quietTransport takes what is published and drops it.
type quietTransport struct{}

func (quietTransport) join(*Hub) error                    { return nil }
func (quietTransport) leave(*Hub, int)                    {}
func (quietTransport) flush() error                       { return nil }
func (quietTransport) publish(string, []byte) error       { return nil }
func (quietTransport) reserve(_, credit int) (int, error) { return credit, nil }
func (quietTransport) subscribe(string, int, int, func([]byte)) (func() error, error) {
	return func() error { return nil }, nil
}

// BenchmarkFrame is what a full frame costs beside NATS: sealed and sent at one end,
// checked, delivered and released at the other.
func BenchmarkFrame(b *testing.B) {
	batch := benchBatch(DefaultFrameSize / 124)
	b.Run("send", func(b *testing.B) {
		w, err := newHub(named(Config{}), quietTransport{}).Writer(0, 0, 1, graph.Forward, 128, func(int) bool { return true })
		if err != nil {
			b.Fatal(err)
		}
		w.outlets[0].sender.limit = 1 << 62
		b.SetBytes(int64(len(batch)))
		b.ReportAllocs()
		for b.Loop() {
			w.Write(batch)
			w.Flush()
			if done, err := w.Drain(); !done || err != nil {
				b.Fatal(done, err)
			}
		}
	})
	b.Run("receive", func(b *testing.B) {
		in, err := newHub(named(Config{}), quietTransport{}).Inbox("receiver", 0, []Channel{{}}, func(Channel) bool { return true })
		if err != nil {
			b.Fatal(err)
		}
		frame := append(make([]byte, headerSize), batch...)
		h := header{Kind: Data, Attempt: in.hub.config.Attempt}
		b.SetBytes(int64(len(batch)))
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			h.Sequence++
			sealFrame(frame, &h)
			b.StartTimer()
			in.receive(frame)
			_, e, ok := in.Next()
			if !ok {
				b.Fatal(in.hub.Err())
			}
			in.Release(e)
		}
	})
}

func BenchmarkChecksum(b *testing.B) {
	frame := make([]byte, DefaultFrameSize)
	b.Run("crc32c", func(b *testing.B) {
		b.SetBytes(int64(len(frame)))
		for b.Loop() {
			crc32.Update(0, castagnoli, frame)
		}
	})
	b.Run("xxhash64", func(b *testing.B) {
		b.SetBytes(int64(len(frame)))
		for b.Loop() {
			xxhash.Sum64(frame)
		}
	})
}
