package host_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"reflect"
	"testing"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/fault"
)

var update = flag.Bool("update", false, "write the golden files")

// sample is the image in testdata/image-v1.bin, which every version reads.
func sample() *host.Image {
	block := func(c byte, n int) []byte { return bytes.Repeat([]byte{c}, n*host.ImageBlock) }
	return &host.Image{
		Module:  [32]byte{1, 2, 3, 31: 32},
		Clock:   1_700_000_000_000_000_001,
		Random:  0x0123456789abcdef,
		Globals: []host.GlobalValue{{Index: 0, Type: 0x7f, Value: 65536}, {Index: 3, Type: 0x7e, Value: 1 << 63}},
		Pages:   2,
		Memory:  []host.Run{{Block: 1, Bytes: block('a', 1)}, {Block: 30, Bytes: block('b', 2)}},
	}
}

func TestImageGolden(t *testing.T) {
	const path = "testdata/image-v1.bin"
	encoded := sample().Marshal()
	if *update {
		if err := os.WriteFile(path, encoded, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encoded, golden) {
		t.Error("the encoding has changed")
	}
	decoded, err := host.UnmarshalImage(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(decoded, sample()) {
		t.Error("the golden image reads otherwise")
	}
}

// TestUnmarshalImageRefuses: any flipped bit and any cut is found.
func TestUnmarshalImageRefuses(t *testing.T) {
	encoded := sample().Marshal()
	for n := 0; n < len(encoded); n += 1 + n/64 {
		if _, err := host.UnmarshalImage(encoded[:n]); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("cut at %d: %v", n, err)
		}
		flipped := bytes.Clone(encoded)
		flipped[n] ^= 1
		if _, err := host.UnmarshalImage(flipped); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("flipped at %d: %v", n, err)
		}
	}
}

// FuzzUnmarshalImage seals what it is given, so that the checks behind the checksum
// are reached. What is accepted encodes to the same bytes.
func FuzzUnmarshalImage(f *testing.F) {
	encoded := sample().Marshal()
	f.Add(encoded[:len(encoded)-8])
	f.Add([]byte{'W', 'M', 'I', 1})
	f.Fuzz(func(t *testing.T, content []byte) {
		sealed := host.SealImage(content)
		m, err := host.UnmarshalImage(sealed)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) {
				t.Fatalf("%v is not a corruption", err)
			}
			return
		}
		if !bytes.Equal(m.Marshal(), sealed) {
			t.Fatal("another encoding of the same image")
		}
	})
}
