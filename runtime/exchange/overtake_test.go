package exchange

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/record"
)

// told is what was caught, as one reads it.
func told(caught []Caught) string {
	var all []string
	for _, c := range caught {
		if c.Kind != Data {
			all = append(all, fmt.Sprintf("%d: %s %d", c.Channel.From, c.Kind, c.Value))
			continue
		}
		for r := record.NewCursor(c.Batch); r.Next(); {
			all = append(all, fmt.Sprintf("%d: %s", c.Channel.From, digest(r.Value)))
		}
	}
	return strings.Join(all, ", ")
}

// overtaking is one writer and one inbox, driven by words.
type overtaking struct {
	*edge
	recording *Recording
}

func (o *overtaking) do(t *testing.T, word string) (answer string) {
	w, in := o.writers[0], o.inboxes[0]
	switch kind, arg, _ := strings.Cut(word, " "); kind {
	case "large":
		w.Write(batchOf(ownKey, arg+" "+strings.Repeat("x", 3*MaxFrameSize)))
	case "write":
		w.Write(batchOf(ownKey, arg+" "))
	case "watermark", "barrier", "abort":
		var value int64
		fmt.Sscan(arg, &value)
		w.Control(Element{Kind: map[string]Kind{"watermark": Watermark, "barrier": Barrier, "abort": Abort}[kind], Value: value})
	case "idle", "active", "end":
		w.Control(Element{Kind: map[string]Kind{"idle": Idle, "active": Active, "end": End}[kind]})
	case "drain":
		drain(t, w)
		if last := w.outlets[0].sender.sequence; w.outlets[0].subject != "" {
			o.until(t, in, last)
		}
	case "overtake":
		return told(w.Overtake(1))
	case "record":
		o.recording = in.Record(1, []int{0})
	case "forget":
		in.Forget(1)
	case "recorded":
		select {
		case <-o.recording.Done():
		default:
			return "not yet"
		}
		caught, ok := o.recording.Caught()
		if !ok {
			return "never"
		}
		return told(caught)
	case "next":
		_, e, _ := next(t, in)
		defer in.Release(e)
		if e.Kind == Data {
			return told([]Caught{{Kind: Data, Batch: e.Batch}})[3:]
		}
		return fmt.Sprintf("%s %d", e.Kind, e.Value)
	default:
		t.Fatalf("what is %q?", word)
	}
	return ""
}

// until waits until a frame has come over NATS.
func (o *overtaking) until(t *testing.T, in *Inbox, sequence uint64) {
	for {
		in.mu.Lock()
		came := in.ports[0].receiver.sequence >= sequence
		in.mu.Unlock()
		if came {
			return
		}
		select {
		case <-in.Ready():
		case <-t.Context().Done():
			t.Fatal("a frame is lost")
		}
	}
}

func TestWhatABarrierOvertakes(t *testing.T) {
	for name, script := range map[string][]string{
		"in the inbox, up to the barrier": {
			"write 1", "watermark 5", "write 2", "barrier 1", "write 3", "drain", "record", "recorded => 0: 1 (2 bytes), 0: watermark 5, 0: 2 (2 bytes)",
			"next => 1 (2 bytes)", "next => watermark 5", "next => 2 (2 bytes)", "next => barrier 1", "next => 3 (2 bytes)",
		},
		"and what comes before it": {
			"write 1", "drain", "record", "recorded => not yet", "next => 1 (2 bytes)", "write 2", "drain", "recorded => not yet", "write 3", "barrier 1", "write 4", "drain",
			"recorded => 0: 1 (2 bytes), 0: 2 (2 bytes), 0: 3 (2 bytes)",
		},
		"what controls said before goes ahead": {
			"watermark 5", "idle", "drain", "next => watermark 5", "next => idle 0", "active", "write 1", "barrier 1", "drain", "record",
			"recorded => 0: watermark 5, 0: idle 0, 0: active 0, 0: 1 (2 bytes)",
		},
		"controls alone are none":           {"watermark 5", "idle", "barrier 1", "drain", "record", "recorded => "},
		"an end comes without a barrier":    {"write 1", "end", "drain", "record", "recorded => 0: 1 (2 bytes)"},
		"so does an abort":                  {"write 1", "abort 1", "write 2", "drain", "record", "recorded => 0: 1 (2 bytes)"},
		"barriers of others are none":       {"barrier 0", "write 1", "barrier 2", "write 2", "drain", "record", "recorded => 0: 1 (2 bytes)"},
		"a forgotten recording gives none":  {"write 1", "drain", "record", "recorded => not yet", "forget", "recorded => never", "barrier 1", "drain", "recorded => never"},
		"a later recording takes its place": {"write 1", "drain", "record", "barrier 1", "drain", "record", "forget", "recorded => 0: 1 (2 bytes)"},
		"a large record is caught in whole": {"large 1", "record", "drain", "barrier 1", "drain", "recorded => 0: 1 (147458 bytes)", "next => 1 (147458 bytes)"},
		"in the writer, in front of it": {
			"watermark 5", "drain", "write 1", "watermark 6", "write 2", "barrier 1", "write 3", "overtake => 0: watermark 5, 0: 1 (2 bytes), 0: watermark 6, 0: 2 (2 bytes)", "overtake => ",
			"drain", "next => watermark 5", "next => barrier 1", "next => 1 (2 bytes)", "next => watermark 6", "next => 2 (2 bytes)", "next => 3 (2 bytes)",
		},
		"a large record in the writer":             {"large 1", "barrier 1", "overtake => 0: 1 (147458 bytes)", "drain", "next => barrier 1", "next => 1 (147458 bytes)"},
		"a barrier that is gone overtakes nothing": {"write 1", "barrier 1", "drain", "write 2", "overtake => ", "next => 1 (2 bytes)", "next => barrier 1"},
		"idleness ends with what was caught":       {"idle", "write 1", "barrier 1", "overtake => 0: idle 0, 0: 1 (2 bytes), 0: active 0"},
	} {
		t.Run(name, func(t *testing.T) {
			forMedia(t, func(t *testing.T, m medium) {
				o := &overtaking{edge: openEdge(t, m, Config{FrameSize: MinFrameSize}, 1, 1, graph.Forward)}
				for _, line := range script {
					word, want, _ := strings.Cut(line, " =>")
					if got := o.do(t, word); got != strings.TrimPrefix(want, " ") {
						t.Fatalf("%s: %q, want %q", word, got, want)
					}
				}
				for _, h := range o.hubs {
					if err := h.Err(); err != nil {
						t.Error(err)
					}
					if err := h.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// What was caught comes first after a restore, over another medium as well.
func TestCaughtIsRestored(t *testing.T) {
	channel := Channel{Edge: 7}
	large := "2 " + strings.Repeat("x", 3*MaxFrameSize)
	forMedia(t, func(t *testing.T, m medium) {
		from, to := m.open(t, Config{FrameSize: MinFrameSize})
		far := from != to
		in, err := to.Inbox("receiver", 0, []Channel{channel}, func(Channel) bool { return far })
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Restore([]Caught{{Channel: channel, Kind: Watermark, Value: 3}, {Channel: channel, Kind: Data, Batch: batchOf(ownKey, "1 ", large)}}); err != nil {
			t.Fatal(err)
		}
		if err := to.Ready(); err != nil {
			t.Fatal(err)
		}
		w, err := from.Writer(7, 0, 1, graph.Forward, 128, func(int) bool { return far })
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Restore([]Caught{{Channel: channel, Kind: Data, Batch: batchOf(ownKey, large, "3 ")}, {Channel: channel, Kind: Watermark, Value: 4}}); err != nil {
			t.Fatal(err)
		}
		w.Control(Element{Kind: End})
		var came [][]string
		received := make(chan struct{})
		go func() { came = receiveAll(t, in); close(received) }()
		drain(t, w)
		<-received
		if want := []string{"watermark 3", "1 ", large, large, "3 ", "watermark 4", "end"}; len(came) == 0 || !slices.Equal(came[0], want) {
			t.Errorf("%d elements came, or they differ", len(came[0]))
		}
		for _, restore := range []func([]Caught) error{in.Restore, w.Restore} {
			if err := restore([]Caught{{Channel: Channel{Edge: 7, From: 1}}}); err == nil {
				t.Error("restored into a channel that is not there")
			}
		}
		for _, h := range []*Hub{from, to} {
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
