package host_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/fault"
)

var update = flag.Bool("update", false, "write the golden files")

var sampleHead = host.HeapHead{
	Checkpoint: 7, Since: 5, Module: [32]byte{1, 2, 3, 31: 32}, Clock: 1_700_000_000_000_000_001, Random: 0x0123456789abcdef, Memory: 10,
	Globals: []host.GlobalValue{{Index: 0, Type: 0x7f, Value: 65536}, {Index: 3, Type: 0x7e, Value: 1 << 63}},
}

// onceStored has a page lie where it was stored first: in the run itself, lender 0.
type onceStored map[host.PageSum]int64

func (o onceStored) Place(sum host.PageSum, offset int64) (host.PagePlace, bool) {
	at, ok := o[sum]
	if !ok {
		o[sum] = offset
	}
	return host.PagePlace{Offset: at}, ok
}

// lender is a run that lends pages.
type lender []byte

func (l lender) String() string { return "the run" }
func (l lender) ReadAt(to []byte, offset int64) (int, error) {
	if offset < 0 || offset > int64(len(l)-len(to)) {
		return 0, fault.Corruptf("%d is outside", offset)
	}
	return copy(to, l[offset:]), nil
}

// lending opens runs by their numbers.
func lending(runs ...[]byte) host.Lenders {
	return func(number uint32) (host.Lender, error) {
		if int(number) >= len(runs) {
			return nil, fault.Corruptf("there is no lender %d", number)
		}
		return lender(runs[number]), nil
	}
}

// sampleRun is the run in testdata/heap-v2.bin, which every version reads: each kind of
// page, and neighbours of one kind, of which there may be more than an entry has.
func sampleRun(t testing.TB, neighbours uint32) []byte {
	t.Helper()
	var b bytes.Buffer
	page, finish := host.NewSharingHeapWriter(&b, &sampleHead, onceStored{})
	full := func(c byte) []byte { return bytes.Repeat([]byte{c}, host.HeapPage) }
	page(0, host.PageZero, nil)
	page(1, host.PageZero, nil)
	page(2, host.PageBegun, nil)
	page(4, host.PageBytes, full('a'))
	for n := uint32(60); n < 60+neighbours; n++ {
		page(n, host.PageBytes, full(byte(n)))
	}
	page(150, host.PageBytes, full('a')) // lent
	page(151, host.PageBytes, full(60))  // lent
	page(159, host.PageBytes, full('z'))
	if _, err := finish(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// rewrite reads a run and writes it again.
func rewrite(run []byte) ([]byte, error) {
	r, err := host.NewHeapReader(bytes.NewReader(run), lending(run))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	page, finish := host.NewSharingHeapWriter(&b, &r.Head, onceStored{})
	for {
		p, err := r.Next()
		if err == io.EOF {
			_, err = finish()
			return b.Bytes(), err
		}
		if err != nil {
			return nil, err
		}
		for n := range p.Count {
			one := make([]byte, host.HeapPage)
			if p.Kind >= host.PageBytes {
				if _, err := r.Page(one); err != nil {
					return nil, err
				}
			}
			page(p.First+n, p.Kind, one)
		}
	}
}

func TestHeapRunGolden(t *testing.T) {
	const path = "testdata/heap-v2.bin"
	encoded := sampleRun(t, 2)
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
	r, err := host.NewHeapReader(bytes.NewReader(golden), nil)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(r.Head) != fmt.Sprint(sampleHead) {
		t.Errorf("the head reads %v", r.Head)
	}
	again, err := rewrite(golden)
	if err != nil || !bytes.Equal(again, golden) {
		t.Errorf("the golden run reads otherwise: %v", err)
	}
}

// Runs of version 1 are read for ever, and hold the same; only that nothing was lent.
func TestHeapRunOfVersion1(t *testing.T) {
	old, err := os.ReadFile("testdata/heap-v1.bin")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := listed(t, old), "00m.a"+strings.Repeat(".", 55)+"<="+strings.Repeat(".", 97)+"z"; got != want {
		t.Errorf("it lists %q", got)
	}
	again, err := rewrite(old)
	if err != nil || listed(t, again) != listed(t, old) {
		t.Errorf("it reads otherwise: %v", err)
	}
	for n := 0; n < len(old); n += 1 + n/64 {
		if _, err := rewrite(flipped(old, n)); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("flipped at %d: %v", n, err)
		}
	}
}

// What is lent is checked: other bytes, or none, are noticed, and so is a lender that is
// not there.
func TestLentPagesAreChecked(t *testing.T) {
	run := sampleRun(t, 2)
	read := func(from host.Lenders) error {
		r, err := host.NewHeapReader(bytes.NewReader(run), from)
		for err == nil {
			var p host.HeapPages
			p, err = r.Next()
			for n := uint32(0); err == nil && p.Kind == host.PageLent && n < p.Count; n++ {
				_, err = r.Page(make([]byte, host.HeapPage))
			}
		}
		return err
	}
	if err := read(lending(run)); err != io.EOF {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		from host.Lenders
		want string
	}{
		"another's":  {lending(append(bytes.Clone(run[1:]), 0)), "of the run is another than was lent"},
		"cut off":    {lending(run[:200]), "is outside"},
		"missing":    {lending(), "no lender 0"},
		"none wired": {nil, "nobody lends"},
	} {
		if err := read(c.from); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Any flipped bit and any cut is found, in the head before anything of it is used.
func TestHeapReaderRefuses(t *testing.T) {
	encoded := sampleRun(t, 70)
	if again, err := rewrite(encoded); err != nil || !bytes.Equal(again, encoded) {
		t.Fatalf("it reads otherwise: %v", err)
	}
	for n := 0; n < len(encoded); n += 1 + n/64 {
		if _, err := rewrite(encoded[:n]); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("cut at %d: %v", n, err)
		}
		if _, err := rewrite(flipped(encoded, n)); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("flipped at %d: %v", n, err)
		}
	}
	if _, err := rewrite(append(encoded, 0)); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("a byte too many: %v", err)
	}
	unread := io.MultiReader(bytes.NewReader(encoded[:5000]), failing{})
	r, err := host.NewHeapReader(unread, nil)
	for err == nil {
		_, err = r.Next()
	}
	if err != errAway {
		t.Errorf("a store that is away: %v", err)
	}
}

var errAway = errors.New("the store is away")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errAway }

// FuzzHeapReader seals what it is given, so that the checks behind the checksums are
// reached. What is accepted has pages in order, within memory.
func FuzzHeapReader(f *testing.F) {
	encoded := sampleRun(f, 2)
	head := len(encoded) - 8
	for head > 0 && head != 80+2*16 {
		head--
	}
	f.Add(encoded[:head], encoded[head+8:head+8+3*8+4096])
	f.Add(encoded[:head], []byte{0, 0, 0, 0, 5, 0, 0, 0})
	f.Add(encoded[:head], encoded[head+8:len(encoded)-8])
	f.Fuzz(func(t *testing.T, head, pages []byte) {
		run := host.Seal(append(host.Seal(head), pages...))
		r, err := host.NewHeapReader(bytes.NewReader(run), lending(run))
		next := uint32(0)
		for err == nil {
			var p host.HeapPages
			if p, err = r.Next(); err == nil {
				if p.First < next || p.Count == 0 || p.First+p.Count > r.Head.Memory*16 {
					t.Fatalf("%d pages at %d of %d were accepted", p.Count, p.First, r.Head.Memory*16)
				}
				next = p.First + p.Count
			}
			for n := uint32(0); err == nil && p.Kind >= host.PageBytes && n < p.Count; n++ {
				_, err = r.Page(make([]byte, host.HeapPage))
			}
		}
		if err != io.EOF && !errors.Is(err, fault.ErrCorrupt) {
			t.Fatalf("%v is not a corruption", err)
		}
	})
}
