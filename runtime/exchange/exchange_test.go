package exchange

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/record"
)

// forMedia runs a test over every medium.
func forMedia(t *testing.T, test func(t *testing.T, m medium)) {
	for _, m := range media() {
		t.Run(m.name, func(t *testing.T) { test(t, m) })
	}
}

func TestRecordsAndControlsArriveInOrder(t *testing.T) {
	forMedia(t, func(t *testing.T, m medium) {
		e := openEdge(t, m, Config{FrameSize: MinFrameSize}, 1, 1, graph.Forward)
		var want []string
		rounds := make(chan int)
		e.sending.Go(func() { // probes beside the writer
			for range rounds {
				if err := e.hubs[0].Probe(); err != nil {
					t.Error(err)
				}
			}
		})
		e.sending.Go(func() {
			defer close(rounds)
			w := e.writers[0]
			for round := range 200 {
				rounds <- round
				w.Write(batchOf(ownKey, numbered(round*100, 100)...))
				w.Control(Element{Kind: Watermark, Value: int64(round)})
				drain(t, w)
			}
			w.Control(Element{Kind: End})
			drain(t, w)
		})
		for round := range 200 {
			want = append(append(want, numbered(round*100, 100)...), fmt.Sprintf("watermark %d", round))
		}
		want = append(want, "end")
		if came := receiveAll(t, e.inboxes[0])[0]; !slices.Equal(came, want) {
			t.Errorf("%d elements came, %d were sent, or their order differs", len(came), len(want))
		}
		e.close()
	})
}

func TestPartitionsReachTheirReceivers(t *testing.T) {
	const receivers, records = 4, 2000
	cases := []struct {
		partition graph.Partition
		copies    int
		belongs   func(receiver, sender, i int) bool
	}{
		{graph.Forward, 1, func(r, s, _ int) bool { return r == s }},
		{graph.ByKey, 1, func(r, _, i int) bool {
			return keygroup.Subtask(keygroup.Of([]byte(ownKey(i)), 128), receivers, 128) == r
		}},
		{graph.Rebalance, 1, func(int, int, int) bool { return true }},
		{graph.Broadcast, receivers, func(int, int, int) bool { return true }},
	}
	forMedia(t, func(t *testing.T, m medium) {
		for _, c := range cases {
			t.Run(string(c.partition), func(t *testing.T) {
				e := openEdge(t, m, Config{FrameSize: MinFrameSize}, receivers, receivers, c.partition)
				for _, w := range e.writers {
					e.sending.Go(func() {
						for i := 0; i < records; i += 10 {
							w.Write(batchOf(func(k int) string { return ownKey(i + k) }, numbered(i, 10)...))
							drain(t, w)
						}
						w.Control(Element{Kind: End})
						drain(t, w)
					})
				}
				came := make([][][]string, receivers)
				var all sync.WaitGroup
				for r, in := range e.inboxes {
					all.Go(func() { came[r] = receiveAll(t, in) })
				}
				all.Wait()
				total := 0
				for r := range came {
					for _, values := range came[r] {
						total += len(values) - 1
						if r > 0 && c.partition == graph.Rebalance && len(values) != len(came[0][0]) {
							t.Errorf("receiver %d got %d, receiver 0 got %d", r, len(values), len(came[0][0]))
						}
					}
					for ch, channel := range e.inboxes[r].ports {
						checkBelongs(t, came[r][ch], func(i int) bool { return c.belongs(r, channel.channel.From, i) })
					}
				}
				if want := receivers * records * c.copies; total != want {
					t.Errorf("%d records came, want %d", total, want)
				}
				e.close()
			})
		}
	})
}

// checkBelongs checks that records came in order and where they belong.
func checkBelongs(t *testing.T, values []string, belongs func(i int) bool) {
	t.Helper()
	last := -1
	for _, v := range values {
		if v == "end" {
			continue
		}
		var i int
		if _, err := fmt.Sscanf(v, "record %d", &i); err != nil {
			t.Fatal(err)
		}
		if i <= last || !belongs(i) {
			t.Fatalf("record %d came after %d, belongs here: %v", i, last, belongs(i))
		}
		last = i
	}
}

func TestWriteToNamesTheReceiver(t *testing.T) {
	forMedia(t, func(t *testing.T, m medium) {
		e := openEdge(t, m, Config{}, 1, 3, graph.Partitions)
		w := e.writers[0]
		for partition := range 3 {
			if err := w.WriteTo(partition, batchOf(ownKey, fmt.Sprint("to ", partition))); err != nil {
				t.Fatal(err)
			}
		}
		for _, wrong := range []int{-1, 3} {
			if err := w.WriteTo(wrong, batchOf(ownKey, "lost")); err == nil {
				t.Errorf("partition %d was taken", wrong)
			}
		}
		w.Control(Element{Kind: End})
		drain(t, w)
		for r, in := range e.inboxes {
			want := []string{fmt.Sprint("to ", r), "end"}
			if came := receiveAll(t, in)[0]; !slices.Equal(came, want) {
				t.Errorf("receiver %d got %q, want %q", r, came, want)
			}
		}
		e.close()
	})
}

func TestLargeRecordsPassWithLittleCredit(t *testing.T) {
	sizes := []int{MinFrameSize - record.HeaderSize, MinFrameSize, MinFrameSize + 1, 3 * MinFrameSize, 5 << 20, 100 << 20}
	forMedia(t, func(t *testing.T, m medium) {
		e := openEdge(t, m, Config{FrameSize: MinFrameSize, Credit: 256 << 10}, 1, 1, graph.Forward)
		e.sending.Go(func() {
			for i, size := range sizes {
				var b record.Builder
				b.Append(record.Insert, 0, nil, []byte("before"))
				value := b.Extend(record.Insert, int64(i), nil, size)
				value[0], value[size-1] = byte(i), byte(i+1)
				b.Append(record.Insert, 0, nil, []byte("behind"))
				e.writers[0].Write(b.Bytes())
				drain(t, e.writers[0])
			}
			e.writers[0].Control(Element{Kind: End})
			drain(t, e.writers[0])
		})
		var came []int
		for {
			_, el, ok := next(t, e.inboxes[0])
			if !ok || el.Kind == End {
				break
			}
			for c := record.NewCursor(el.Batch); c.Next(); {
				switch s := string(c.Value[:min(6, len(c.Value))]); s {
				case "before", "behind":
				default:
					i := len(came)
					if c.Value[0] != byte(i) || c.Value[len(c.Value)-1] != byte(i+1) {
						t.Errorf("record %d came damaged", i)
					}
					came = append(came, len(c.Value))
				}
			}
			e.inboxes[0].Release(el)
		}
		if !slices.Equal(came, sizes) {
			t.Errorf("records of %v bytes came, want %v", came, sizes)
		}
		e.close()
	})
}

func TestStalledReceiverStopsItsSenderAlone(t *testing.T) {
	forMedia(t, func(t *testing.T, m medium) {
		e := openEdge(t, m, Config{Credit: 128 << 10}, 1, 2, graph.Partitions)
		w := e.writers[0]
		batch := batchOf(ownKey, strings.Repeat("x", 1000))
		sent := 0
		for w.backlog == 0 && sent < 1000 {
			if err := w.WriteTo(0, batch); err != nil {
				t.Fatal(err)
			}
			sent++
			// Over NATS the first grant is on its way: wait for it or for the stall.
			drainUntil(t, w, func() bool { return w.backlog == 0 || w.outlets[0].sender.limit >= 128<<10 })
		}
		if w.backlog == 0 {
			t.Fatal("a receiver that reads nothing took all")
		}
		used := w.outlets[0].sender.sent
		if used > 128<<10 {
			t.Errorf("%d bytes were sent, credit is %d", used, 128<<10)
		}

		// The other channel flows, and controls pass.
		if err := w.WriteTo(1, batchOf(ownKey, "past the stalled one")); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		if _, err := w.Drain(); err != nil {
			t.Fatal(err)
		}
		if _, el, ok := next(t, e.inboxes[1]); ok {
			e.inboxes[1].Release(el)
		}

		e.sending.Go(func() {
			w.Control(Element{Kind: End})
			drain(t, w)
		})
		if came := receiveAll(t, e.inboxes[0])[0]; len(came) != sent+1 {
			t.Errorf("%d records came in the end, %d were sent", len(came)-1, sent)
		}
		receiveAll(t, e.inboxes[1])
		e.close()
	})
}

// drainUntil flushes and drains until the condition holds.
func drainUntil(t *testing.T, w *Writer, holds func() bool) {
	t.Helper()
	w.Flush()
	for {
		if _, err := w.Drain(); err != nil {
			t.Fatal(err)
		}
		if holds() {
			return
		}
		<-w.Room()
	}
}

func TestPausedChannelWaitsAndOthersGoOn(t *testing.T) {
	forMedia(t, func(t *testing.T, m medium) {
		e := openEdge(t, m, Config{}, 2, 1, graph.Rebalance)
		in := e.inboxes[0]
		in.Pause(0)
		for s, w := range e.writers {
			w.Write(batchOf(ownKey, fmt.Sprint("of ", s)))
			w.Control(Element{Kind: Barrier, Value: 1})
			w.Control(Element{Kind: End})
			drain(t, w)
		}
		for range 3 {
			channel, el, _ := next(t, in)
			if channel != 1 {
				t.Fatalf("paused channel gave %s", el.Kind)
			}
			in.Release(el)
		}
		in.Resume(0)
		for _, want := range []Kind{Data, Barrier, End} {
			channel, el, _ := next(t, in)
			if channel != 0 || el.Kind != want {
				t.Fatalf("channel %d gave %s, want %s of channel 0", channel, el.Kind, want)
			}
			in.Release(el)
		}
		e.close()
	})
}

func TestLocalChannelsAllocateNothing(t *testing.T) {
	e := openEdge(t, media()[0], Config{}, 1, 2, graph.ByKey)
	batch := benchBatch(500)
	pass := func() {
		e.writers[0].Write(batch)
		e.writers[0].Control(Element{Kind: Watermark})
		if done, err := e.writers[0].Drain(); !done || err != nil {
			t.Fatal(done, err)
		}
		for _, in := range e.inboxes {
			for _, el, ok := in.Next(); ok; _, el, ok = in.Next() {
				in.Release(el)
			}
		}
	}
	pass()
	if n := testing.AllocsPerRun(100, pass); n > 0 {
		t.Errorf("%v allocations for 500 records and a control", n)
	}
	e.close()
}

func TestCloseTellsWhatWasNotReleased(t *testing.T) {
	forMedia(t, func(t *testing.T, m medium) {
		e := openEdge(t, m, Config{}, 1, 1, graph.Forward)
		e.writers[0].Write(batchOf(ownKey, "kept"))
		drain(t, e.writers[0])
		if _, _, ok := next(t, e.inboxes[0]); !ok {
			t.Fatal("nothing came")
		}
		err := e.hubs[1].Close()
		if err == nil || !strings.Contains(err.Error(), "receiver[0] did not release 1 batches") {
			t.Errorf("close says %v", err)
		}
	})
}
