package snapshots_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

var packID = snapshots.PackID{Checkpoint: 7, Attempt: id.Attempt{Term: 3, Number: 2}, Task: 1, Subtask: 4}

// writePack writes sections "0", "1", … in pieces of odd sizes.
func writePack(t testing.TB, s snapshots.Store, contents ...[]byte) (sections []snapshots.Section) {
	t.Helper()
	size, err := folderOf(s).WritePack(t.Context(), packID, func(w *snapshots.PackWriter) error {
		for i, data := range contents {
			section, err := w.Section(fmt.Sprint(i), func(out io.Writer) error {
				for piece := 1; len(data) > 0; piece = piece*3 + 1 {
					n := min(piece, len(data))
					if k, err := out.Write(data[:n]); k != n || err != nil {
						return fmt.Errorf("%d of %d written: %w", k, n, err)
					}
					data = data[n:]
				}
				return nil
			})
			if err != nil {
				return err
			}
			sections = append(sections, section)
		}
		return nil
	})
	if err != nil || size == 0 {
		t.Fatal(size, err)
	}
	return sections
}

func mixed(n int, seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 1))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(random.Uint32() >> (random.Uint32() % 32))
	}
	return data
}

func TestPack(t *testing.T) {
	store := new(storetest.Memory)
	contents := [][]byte{
		[]byte("a few bytes"), nil, mixed(snapshots.ChunkSize, 1), mixed(3*snapshots.ChunkSize+5, 2), make([]byte, 2*snapshots.ChunkSize), {0},
	}
	sections := writePack(t, store, contents...)
	f := folderOf(store)
	for i, s := range sections {
		got, err := io.ReadAll(f.OpenSection(t.Context(), s))
		if err != nil || !bytes.Equal(got, contents[i]) {
			t.Errorf("section %d: %d bytes, %v, want %d", i, len(got), err, len(contents[i]))
		}
	}
	name := packID.Name()
	listed, err := f.Sections(t.Context(), name, int64(len(store.Bytes(f.Path+"/"+name))))
	if err != nil || fmt.Sprint(listed) != fmt.Sprint(sections) {
		t.Errorf("%v, %v, want %v", listed, err, sections)
	}
	if back, ok := snapshots.ParsePackName(name); !ok || back != packID {
		t.Errorf("%s is %+v, %v", name, back, ok)
	}
}

// Parts of a section are read without the rest.
func TestSpans(t *testing.T) {
	memory := new(storetest.Memory)
	const chunk = snapshots.ChunkSize
	data := mixed(5*chunk+100, 3)
	section := writePack(t, memory, []byte("before"), data)[1]
	for name, c := range map[string]struct {
		spans []snapshots.Span
		gets  int // of stored chunks
	}{
		"header and the last group":  {[]snapshots.Span{{0, 10}, {5*chunk + 50, 50}}, 2},
		"adjacent":                   {[]snapshots.Span{{0, 10}, {10, 2 * chunk}, {2*chunk + 10, chunk}}, 1},
		"neighbouring chunks":        {[]snapshots.Span{{0, 10}, {chunk + 3, 4}, {2*chunk + 3, 4}}, 1},
		"a gap of two chunks":        {[]snapshots.Span{{chunk, chunk}, {4 * chunk, chunk}}, 2},
		"across chunks":              {[]snapshots.Span{{chunk - 1, 2}}, 1},
		"backwards, and some twice":  {[]snapshots.Span{{3 * chunk, 5}, {0, 5}, {0, 5}}, 2},
		"empty ones":                 {[]snapshots.Span{{0, 0}, {7, 3}, {5*chunk + 100, 0}}, 1},
		"nothing":                    {[]snapshots.Span{{0, 0}}, 0},
		"all of it":                  {nil, 1},
		"all of it, but in two":      {[]snapshots.Span{{0, chunk}, {chunk, 4*chunk + 100}}, 1},
		"last byte":                  {[]snapshots.Span{{5*chunk + 99, 1}}, 1},
		"more than there is":         {[]snapshots.Span{{5 * chunk, 101}}, -1},
		"after the end":              {[]snapshots.Span{{6 * chunk, 1}}, -1},
		"before the beginning":       {[]snapshots.Span{{-1, 2}}, -1},
		"a length that is none":      {[]snapshots.Span{{1, -1}}, -1},
		"so far out that it wraps":   {[]snapshots.Span{{1 << 62, 1 << 62}}, -1},
		"an end that would overflow": {[]snapshots.Span{{5, 1<<63 - 1}}, -1},
	} {
		var want []byte
		gets := 0
		store := &storetest.Faulty{Store: memory, Decide: func(storetest.Op) storetest.Fault { gets++; return storetest.None }}
		got, err := io.ReadAll(folderOf(store).OpenSection(t.Context(), section, c.spans...))
		if c.gets < 0 {
			if !errors.Is(err, fault.ErrCorrupt) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		for _, s := range c.spans {
			want = append(want, data[s.Offset:s.Offset+s.Length]...)
		}
		if c.spans == nil {
			want = data
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v, want %d", name, len(got), err, len(want))
		}
		if gets-1 != c.gets {
			t.Errorf("%s: %d requests besides the index, want %d", name, gets-1, c.gets)
		}
	}
}

// Row 12: every bit of every byte that is flipped, and every length that it is cut to,
// is noticed, with the object named, and section and offset if it is within one.
func TestDamagedPack(t *testing.T) {
	store := new(storetest.Memory)
	m, err := takeCheckpoint(t.Context(), store, 1, id.Attempt{Term: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := folderOf(store)
	for _, pack := range m.Packs() {
		name := f.Path + "/" + pack
		whole := store.Bytes(name)
		for i := range whole {
			flipped := bytes.Clone(whole)
			flipped[i] ^= 1 << (i % 8)
			store.Damage(name, flipped)
			err := f.Check(t.Context(), m, snapshots.Full)
			if !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "offset ") {
				t.Errorf("byte %d of %d: %v", i, len(whole), err)
			}
			if s := sectionAt(m, pack, int64(i)); s != nil && (err == nil || !strings.Contains(err.Error(), fmt.Sprintf("section %q at offset ", s.Name))) {
				t.Errorf("byte %d, in section %q: %v", i, s.Name, err)
			}
		}
		for n := range whole {
			store.Damage(name, whole[:n])
			for _, depth := range []snapshots.Depth{snapshots.Quick, snapshots.Full} {
				if err := f.Check(t.Context(), m, depth); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), name) {
					t.Errorf("cut to %d of %d, depth %d: %v", n, len(whole), depth, err)
				}
			}
		}
		store.Damage(name, append(bytes.Clone(whole), 0))
		if err := f.Check(t.Context(), m, snapshots.Quick); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("a byte too many: %v", err)
		}
		store.Damage(name, whole)
	}
	if err := f.Check(t.Context(), m, snapshots.Full); err != nil {
		t.Errorf("undamaged: %v", err)
	}
	// An object of the right form, but another's.
	first, second := f.Path+"/"+m.Packs()[0], f.Path+"/"+m.Packs()[1]
	store.Damage(first, store.Bytes(second))
	if err := f.Check(t.Context(), m, snapshots.Quick); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("another pack: %v", err)
	}
	if err := store.Delete(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if err := f.Check(t.Context(), m, snapshots.Quick); !errors.Is(err, fault.ErrCorrupt) || !errors.Is(err, snapshots.ErrNotFound) || !strings.Contains(err.Error(), second) {
		t.Errorf("no pack: %v", err)
	}
	if _, err := io.ReadAll(f.OpenRun(t.Context(), m.Operators[0].Subtasks[1].Runs[0])); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("reading no pack: %v", err)
	}
}

func sectionAt(m *snapshots.Manifest, pack string, offset int64) *snapshots.Section {
	for _, s := range m.Sections() {
		if s.Pack == pack && s.Offset <= offset && offset < s.Offset+s.Stored {
			return &s
		}
	}
	return nil
}

// A pack whose writing fails is not there; one without sections is not written.
func TestPackThatFails(t *testing.T) {
	full := errors.New("disk full")
	write := func(w *snapshots.PackWriter) error {
		_, err := w.Section("a", func(out io.Writer) error { _, err := out.Write(mixed(1<<20, 5)); return err })
		return err
	}
	for name, c := range map[string]struct {
		store func(snapshots.Store) snapshots.Store
		write func(*snapshots.PackWriter) error
		want  error
	}{
		"no section": {nil, func(*snapshots.PackWriter) error { return nil }, nil},
		"what is written fails": {nil, func(w *snapshots.PackWriter) error {
			if err := write(w); err != nil {
				return err
			}
			_, err := w.Section("b", func(io.Writer) error { return full })
			return err
		}, full},
		"the store fails": {func(s snapshots.Store) snapshots.Store {
			return &storetest.Faulty{Store: s, Decide: storetest.At(1, storetest.Torn)}
		}, write, fault.ErrTransient},
		"the store is not there": {func(s snapshots.Store) snapshots.Store {
			return &storetest.Faulty{Store: s, Decide: storetest.At(1, storetest.Unavailable)}
		}, write, fault.ErrTransient},
	} {
		memory := new(storetest.Memory)
		var store snapshots.Store = memory
		if c.store != nil {
			store = c.store(memory)
		}
		size, err := folderOf(store).WritePack(t.Context(), packID, c.write)
		if !errors.Is(err, c.want) || size != 0 && err != nil {
			t.Errorf("%s: %d, %v", name, size, err)
		}
		if names := memory.Names(""); len(names) > 0 {
			t.Errorf("%s: there is %v", name, names)
		}
	}
	twice := func(w *snapshots.PackWriter) error { return errors.Join(write(w), write(w)) }
	if _, err := folderOf(new(storetest.Memory)).WritePack(t.Context(), packID, twice); err == nil {
		t.Error("two sections of one name")
	}
}

// counting is a store that only counts what it is given.
type counting struct {
	snapshots.Store
	n int64
}

func (c *counting) Put(_ context.Context, _ string, data io.Reader, _ int64) error {
	n, err := io.Copy(io.Discard, data)
	c.n += n
	return err
}

func BenchmarkWritePack(b *testing.B) {
	b.ReportAllocs()
	data := compressible(64 << 20)
	b.SetBytes(int64(len(data)))
	store := &counting{}
	for b.Loop() {
		if _, err := folderOf(store).WritePack(b.Context(), packID, func(w *snapshots.PackWriter) error {
			_, err := w.Section("keyed", func(out io.Writer) error {
				for at := 0; at < len(data); at += 64 << 10 {
					if _, err := out.Write(data[at : at+64<<10]); err != nil {
						return err
					}
				}
				return nil
			})
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(data))*float64(b.N)/float64(store.n), "ratio")
}

func BenchmarkReadSection(b *testing.B) {
	b.ReportAllocs()
	store := new(storetest.Memory)
	data := compressible(64 << 20)
	section := writePack(b, store, data)[0]
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if n, err := io.Copy(io.Discard, folderOf(store).OpenSection(b.Context(), section)); err != nil || n != int64(len(data)) {
			b.Fatal(n, err)
		}
	}
}

// compressible makes data as state has it: keys that count, values of some entropy.
func compressible(n int) []byte {
	data := make([]byte, 0, n+64)
	random := rand.New(rand.NewPCG(1, 1))
	for i := 0; len(data) < n; i++ {
		data = fmt.Appendf(data, "key-%012d", i)
		data = binary.LittleEndian.AppendUint64(data, random.Uint64N(1<<20))
	}
	return data[:n]
}

func FuzzPackFooter(f *testing.F) {
	store := new(storetest.Memory)
	writePack(f, store, []byte("a"), []byte("bc"))
	for _, name := range store.Names("") {
		f.Add(store.Bytes(name))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, pack []byte) {
		sections, err := snapshots.ReadFooter(pack)
		for _, s := range sections {
			if err == nil && (s.Offset < 0 || s.Stored < 0 || s.Offset+s.Stored > int64(len(pack))) {
				t.Errorf("section %+v is not in %d bytes", s, len(pack))
			}
		}
	})
}

// A section is read as the manifest says it is: neither may crash the reader.
func FuzzReadSection(f *testing.F) {
	store := new(storetest.Memory)
	for i, s := range writePack(f, store, []byte("some bytes"), make([]byte, snapshots.ChunkSize+1)) {
		pack := store.Bytes(store.Names("")[0])
		f.Add(pack, s.Offset, s.Stored, s.Length, uint64(s.Hash), int64(i), int64(5))
	}
	f.Fuzz(func(t *testing.T, pack []byte, offset, stored, length int64, hash uint64, from, n int64) {
		store := new(storetest.Memory)
		store.Damage("x/packs/p", pack)
		s := snapshots.Section{Pack: "packs/p", Name: "s", Offset: offset, Stored: stored, Length: length, Hash: snapshots.Hash(hash)}
		got, err := io.ReadAll(snapshots.Folder{Store: store, Path: "x"}.OpenSection(t.Context(), s, snapshots.Span{Offset: from, Length: n}))
		if err == nil && int64(len(got)) != n {
			t.Errorf("%d bytes of %d", len(got), n)
		}
	})
}

func FuzzPackName(f *testing.F) {
	f.Add(packID.Name())
	f.Add("packs/00000000000000000001-1.1-0-0.pack")
	f.Fuzz(func(t *testing.T, name string) {
		if p, ok := snapshots.ParsePackName(name); ok && (p.Name() != name || snapshots.CheckName(name) != nil) {
			t.Errorf("%q is %+v", name, p)
		}
	})
}
