package exchange

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/id"
)

var update = flag.Bool("update", false, "write testdata anew")

// golden are the frames of testdata/frames.txt.
var golden = []struct {
	name    string
	header  header
	payload []byte
}{
	{"data", header{Kind: Data, Sequence: 1}, batchOf(ownKey, "first", "second")},
	{"fragment of a record of 40000 bytes", header{Kind: Fragment, Sequence: 2, Value: 40000}, []byte("a piece")},
	{"watermark", header{Kind: Watermark, Sequence: 3, Value: 1700000000000}, nil},
	{"watermark before 1970", header{Kind: Watermark, Sequence: 4, Value: -1}, nil},
	{"idle", header{Kind: Idle, Sequence: 5}, nil},
	{"active", header{Kind: Active, Sequence: 6}, nil},
	{"barrier", header{Kind: Barrier, Sequence: 7, Value: 12}, nil},
	{"abort", header{Kind: Abort, Sequence: 8, Value: 12}, nil},
	{"swap", header{Kind: Swap, Sequence: 9, Value: 3}, nil},
	{"end", header{Kind: End, Sequence: math.MaxUint64}, nil},
	{"credit", header{Kind: credit, Value: 1 << 40}, nil},
	{"probe", header{Kind: probe, Sequence: 10}, nil},
}

func sealed(h header, payload []byte) []byte {
	h.Attempt, h.Channel = id.Attempt{Term: 7, Number: 2}, Channel{Edge: 3, From: 1, To: 4}
	frame := append(make([]byte, headerSize), payload...)
	sealFrame(frame, &h)
	return frame
}

func TestGoldenFrames(t *testing.T) {
	var text strings.Builder
	for _, g := range golden {
		fmt.Fprintf(&text, "%s\n%s\n\n", g.name, hex.EncodeToString(sealed(g.header, g.payload)))
	}
	const path = "testdata/frames.txt"
	if *update {
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("frames differ from %s, which is what other workers write:\n%s", path, text.String())
	}
}

func TestFramesComeBack(t *testing.T) {
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			h, payload, err := openFrame(sealed(g.header, g.payload))
			if err != nil {
				t.Fatal(err)
			}
			want := g.header
			want.Attempt, want.Channel = id.Attempt{Term: 7, Number: 2}, Channel{Edge: 3, From: 1, To: 4}
			if h != want || !bytes.Equal(payload, g.payload) {
				t.Errorf("came back as %+v with %d bytes", h, len(payload))
			}
		})
	}
}

func TestUnsoundFramesAreRefused(t *testing.T) {
	data := batchOf(ownKey, "x")
	// Every change is sealed again, so that the checksum is right.
	cases := []struct {
		name   string
		frame  []byte
		reason string
	}{
		{"empty", nil, "frame of 0 bytes, a header takes 56"},
		{"cut off in the header", sealed(header{Kind: Data}, data)[:headerSize-1], "frame of 55 bytes"},
		{"cut off in the payload", sealed(header{Kind: Data}, data)[:headerSize+3], "checksum"},
		{"other magic", changed(0, 'X'), "not with the magic"},
		{"other version", changed(4, 2), "version 2, this is 1"},
		{"unknown flags", changed(6, 1), "unknown flags 0x0001"},
		{"other payload length", changed(48, 1), "states a payload of 1 bytes"},
		{"unknown kind", sealed(header{Kind: 99}, nil), "unknown kind 99"},
		{"data without a batch", sealed(header{Kind: Data}, nil), "data frame has 0 bytes"},
		{"control with a batch", sealed(header{Kind: End}, data), "end frame has"},
		{"too large", sealed(header{Kind: Data}, make([]byte, MaxFrameSize+1)), "at most 49152 are allowed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := openFrame(c.frame)
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("error is %v, want one with %q", err, c.reason)
			}
		})
	}
}

// changed is a frame with a byte of its header replaced and a fitting checksum.
func changed(at int, b byte) []byte {
	frame := sealed(header{Kind: Data}, batchOf(ownKey, "x"))
	frame[at] = b
	sum := frameChecksum(frame)
	frame[52], frame[53], frame[54], frame[55] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
	return frame
}

// FuzzOpenFrame gives any bytes to the decoder: it refuses them, or they are exactly
// what the encoder writes.
func FuzzOpenFrame(f *testing.F) {
	for _, g := range golden {
		f.Add(sealed(g.header, g.payload), false)
	}
	f.Add([]byte("WMFR"), true)
	f.Fuzz(func(t *testing.T, message []byte, fitting bool) {
		if fitting && len(message) >= headerSize {
			sum := frameChecksum(message)
			message[52], message[53], message[54], message[55] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
		}
		h, payload, err := openFrame(message)
		if err != nil {
			return
		}
		again := append(make([]byte, headerSize), payload...)
		sealFrame(again, &h)
		if !bytes.Equal(again, message) {
			t.Errorf("%+v is written as %x, came as %x", h, again, message)
		}
	})
}

// FuzzAssembly gives any fragments to an assembly, which ends with an error or one
// valid record.
func FuzzAssembly(f *testing.F) {
	f.Add(int64(30), int64(30), batchOf(ownKey, "12345678")[:10], batchOf(ownKey, "12345678")[10:])
	f.Fuzz(func(t *testing.T, total, again int64, first, second []byte) {
		if total > 1<<20 {
			total %= 1 << 20
		}
		var a assembly
		batch, err := a.add(total, first)
		if err != nil {
			return
		}
		if batch == nil {
			if batch, err = a.add(again, second); err != nil || batch == nil {
				return
			}
		}
		if int64(len(batch)) != total {
			t.Errorf("record of %d bytes, want %d", len(batch), total)
		}
	})
}
