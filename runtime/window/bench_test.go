package window_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/runtime/window"
)

// counter counts records: what a guest does whose SDK costs nothing.
type counter struct {
	replies []byte
	results int
	sum     uint64
}

// walk calls do for each group with its accumulator and body.
func walk(b []byte, do func(acc, body []byte)) {
	for len(b) > 0 {
		u32 := binary.LittleEndian.Uint32
		keyLen, accLen, bodyLen := int(u32(b)), int(u32(b[4:])), int(u32(b[8:]))
		if uint32(accLen) == math.MaxUint32 {
			accLen = 0
		}
		acc := 32 + keyLen
		do(b[acc:acc+accLen], b[acc+accLen:acc+accLen+bodyLen])
		b = b[acc+accLen+bodyLen:]
	}
}

func (c *counter) answer(n uint64) {
	c.replies = binary.LittleEndian.AppendUint32(c.replies, 8)
	c.replies = binary.LittleEndian.AppendUint64(c.replies, n)
}

func (c *counter) Accumulate(b []byte) ([]byte, error) {
	c.replies = c.replies[:0]
	walk(b, func(acc, body []byte) {
		n := uint64(record.Count(body))
		if len(acc) == 8 {
			n += binary.LittleEndian.Uint64(acc)
		}
		c.answer(n)
	})
	return c.replies, nil
}

func (c *counter) Merge(b []byte) ([]byte, error) {
	c.replies = c.replies[:0]
	walk(b, func(_, body []byte) {
		n := uint64(0)
		for ; len(body) >= 12; body = body[12:] {
			n += binary.LittleEndian.Uint64(body[4:])
		}
		c.answer(n)
	})
	return c.replies, nil
}

func (c *counter) Finish(b []byte) error {
	walk(b, func(acc, _ []byte) {
		c.results++
		c.sum += binary.LittleEndian.Uint64(acc)
	})
	return nil
}

func (c *counter) Apply(b []byte) error {
	walk(b, func(_, body []byte) {
		c.results++
		c.sum += uint64(record.Count(body))
	})
	return nil
}

func (c *counter) Flush() error { return nil }
func (c *counter) End() error   { return nil }
func (c *counter) Close() error { return nil }

type nowhere struct{}

func (nowhere) Emit(int, []byte) error          { return nil }
func (nowhere) EmitTo(int, int, []byte) error   { return nil }
func (nowhere) Reject(operator.Rejection) error { return nil }

const (
	benchGroups = 128
	benchBatch  = 1024 // records
)

// run plays b.N records with random ones of a number of keys, at a rate in event time,
// with a watermark every 10 ms of it.
func run(b *testing.B, w graph.Window, keys, perSecond int, apply bool) {
	w.Late = -1
	backend, err := state.NewMemory(state.Options{Tables: window.Tables(), End: benchGroups})
	must(b, err)
	defer backend.Close()
	guest := &counter{}
	config := window.Config{Window: w, Inputs: 1, Output: window.NewOutput(nowhere{}), Backend: backend, End: benchGroups, MaxParallelism: benchGroups, Watermark: window.Beginning}
	if config.Aggregator = guest; apply {
		config.Aggregator, config.Applier = nil, guest
	}
	op, err := window.New(config)
	must(b, err)
	r := rand.New(rand.NewPCG(1, 2))
	var batch record.Builder
	key := make([]byte, 16)
	value := make([]byte, 8)
	n, marked := 0, int64(0)
	play := func(records int, use bool) {
		for records > 0 {
			batch.Reset()
			time := int64(0)
			for range min(records, benchBatch) {
				binary.LittleEndian.PutUint64(key, uint64(r.IntN(keys))*0x9e3779b97f4a7c15)
				time = int64(n) * 1000 / int64(perSecond)
				batch.Append(record.Insert, time, key, value)
				n++
			}
			records -= batch.Count()
			if !use {
				continue
			}
			must(b, op.Process(0, batch.Bytes()))
			if time-marked >= 10 {
				marked = time
				must(b, op.Watermark(time-1))
			}
		}
	}
	began := cpuTime(b)
	play(1<<20, false)
	making := float64(cpuTime(b)-began) / (1 << 20)
	n = 0
	// Until windows are as full as they get.
	span := w.Size + w.Gap
	play(int(min(span+span/2, 15*time.Second)*time.Duration(perSecond)/time.Second), true)
	guest.results = 0
	b.ReportAllocs()
	b.ResetTimer()
	began = cpuTime(b)
	play(b.N, true)
	b.StopTimer()
	b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N)-making, "cpu-ns/record")
	b.ReportMetric(float64(guest.results)/float64(b.N), "results/op")
	b.ReportMetric(float64(backend.Memory())/float64(1<<20), "MiB")
	must(b, op.Close())
}

// cpuTime is what the process has taken: other work on the machine does not count.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// What a record costs without making it (cpu-ns/record), with all that its windows cost, when 1 M keys come at random. The
// bars: tumbling 150 ns, sliding at least 60 % of its throughput.
func BenchmarkWindow(b *testing.B) {
	for _, c := range []struct {
		name            string
		w               graph.Window
		keys, perSecond int
		apply           bool
	}{
		{"tumbling 10s", graph.Window{Kind: graph.Tumbling, Size: 10 * time.Second}, 1 << 20, 2_000_000, false},
		{"sliding 10s by 1s", graph.Window{Kind: graph.Sliding, Size: 10 * time.Second, Every: time.Second}, 1 << 20, 2_000_000, false},
		{"sliding 60s by 1s", graph.Window{Kind: graph.Sliding, Size: 60 * time.Second, Every: time.Second}, 1 << 20, 2_000_000, false},
		{"tumbling 10s, few keys", graph.Window{Kind: graph.Tumbling, Size: 10 * time.Second}, 1 << 10, 2_000_000, false},
		{"sliding 10s by 1s, few keys", graph.Window{Kind: graph.Sliding, Size: 10 * time.Second, Every: time.Second}, 1 << 10, 2_000_000, false},
		{"tumbling 1s, slow", graph.Window{Kind: graph.Tumbling, Size: time.Second}, 1 << 20, 200_000, false},
		{"session 100ms", graph.Window{Kind: graph.Session, Gap: 100 * time.Millisecond}, 1 << 20, 2_000_000, false},
		{"apply tumbling 1s", graph.Window{Kind: graph.Tumbling, Size: time.Second}, 1 << 20, 2_000_000, true},
	} {
		b.Run(fmt.Sprintf("%s/%d keys", c.name, c.keys), func(b *testing.B) { run(b, c.w, c.keys, c.perSecond, c.apply) })
	}
}
