package snapshots

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
	"github.com/wasmill/wasmill/runtime/fault"
)

// Span is a part of a section, in bytes before compression.
type Span struct{ Offset, Length int64 }

// Spans are what is to be read of a run: its header, then its key groups.
func (r *Run) Spans() []Span {
	spans := []Span{{0, r.Header}}
	for _, g := range r.Groups {
		if last := &spans[len(spans)-1]; last.Offset+last.Length == g.Offset {
			last.Length += g.Length
		} else {
			spans = append(spans, Span{g.Offset, g.Length})
		}
	}
	return spans
}

// OpenRun reads the header of a run and the key groups it lists; state.NewPartialReader
// reads that.
func (f Folder) OpenRun(ctx context.Context, r Run) io.ReadCloser {
	return f.OpenSection(ctx, r.Section, r.Spans()...)
}

// OpenSection reads spans of a section one after the other; without spans all of it.
// What it returns has been checked. A missing object is a corruption, too. It takes
// about half a megabyte of memory.
func (f Folder) OpenSection(ctx context.Context, s Section, spans ...Span) io.ReadCloser {
	if len(spans) == 0 {
		spans = []Span{{0, s.Length}}
	}
	return &sectionReader{ctx: ctx, folder: f, section: s, spans: slices.Clone(spans)}
}

type sectionReader struct {
	ctx     context.Context // of the OpenSection whose reader this is
	folder  Folder
	section Section
	spans   []Span // what is left to read
	err     error

	chunks []chunk
	stream io.ReadCloser // of stored bytes, up to chunk until
	next   int           // chunk that the stream is at
	until  int
	stored []byte
	raw    []byte // of chunk number have
	have   int
}

// chunk says where a chunk lies in the object.
type chunk struct {
	offset int64
	stored int
	hash   uint64
}

func (r *sectionReader) Read(b []byte) (int, error) {
	if r.err == nil && r.chunks == nil {
		r.have = -1
		r.chunks, r.err = r.folder.readIndex(r.ctx, r.section)
	}
	for r.err == nil && len(r.spans) > 0 && r.spans[0].Length == 0 {
		r.spans = r.spans[1:]
	}
	if r.err == nil && len(r.spans) == 0 {
		r.err = io.EOF
	}
	if r.err != nil || len(b) == 0 {
		return 0, r.err
	}
	s := &r.spans[0]
	if s.Offset < 0 || s.Length < 0 || s.Offset > r.section.Length-s.Length {
		r.err = r.folder.corrupt(r.section, r.section.Offset, "bytes %d to %d of %d are asked for", s.Offset, s.Offset+s.Length, r.section.Length)
		return 0, r.err
	}
	if r.err = r.chunk(int(s.Offset / chunkSize)); r.err != nil {
		return 0, r.err
	}
	from := s.Offset % chunkSize
	n := copy(b, r.raw[from:min(int64(len(r.raw)), from+s.Length)])
	s.Offset += int64(n)
	s.Length -= int64(n)
	return n, nil
}

// Close ends reading.
func (r *sectionReader) Close() error {
	r.err = errors.New("read section: closed")
	if r.stream == nil {
		return nil
	}
	err := r.stream.Close()
	r.stream = nil
	return err
}

// chunk makes a chunk the one at hand.
func (r *sectionReader) chunk(n int) error {
	if r.have == n {
		return nil
	}
	if r.stream == nil || r.next != n || n >= r.until {
		if err := r.open(n); err != nil {
			return err
		}
	}
	c := r.chunks[n]
	r.stored = append(r.stored[:0], make([]byte, c.stored)...)
	if _, err := io.ReadFull(r.stream, r.stored); err != nil {
		return r.folder.readError(r.section, c.offset, err)
	}
	if got := xxhash.Sum64(r.stored); got != c.hash {
		return r.folder.corrupt(r.section, c.offset, "checksum %016x of %d bytes, %016x is expected", got, c.stored, c.hash)
	}
	var err error
	decoder := decoders.Get().(*zstd.Decoder)
	r.raw, err = decoder.DecodeAll(r.stored, r.raw[:0])
	decoders.Put(decoder)
	want := min(chunkSize, r.section.Length-int64(n)*chunkSize)
	if err != nil || int64(len(r.raw)) != want {
		return r.folder.corrupt(r.section, c.offset, "%d bytes where %d are expected, %v", len(r.raw), want, err)
	}
	r.have, r.next = n, n+1
	return nil
}

// open begins a stream at a chunk that ends with the last chunk needed without a gap.
func (r *sectionReader) open(n int) error {
	if r.stream != nil {
		r.stream.Close()
		r.stream = nil
	}
	r.until = n + 1
	for _, s := range r.spans {
		if s.Length > 0 && s.Offset >= 0 && s.Offset/chunkSize <= int64(r.until) {
			r.until = int(min(max(int64(r.until), chunks(s.Offset+s.Length)), int64(len(r.chunks))))
		} else if s.Length > 0 {
			break
		}
	}
	from, last := r.chunks[n].offset, r.chunks[r.until-1]
	stream, err := r.folder.Store.Get(r.ctx, r.folder.object(r.section.Pack), from, last.offset+int64(last.stored)-from)
	if err != nil {
		return r.folder.readError(r.section, from, err)
	}
	r.stream, r.next = stream, n
	return nil
}

// readIndex reads where the chunks of a section are.
func (f Folder) readIndex(ctx context.Context, s Section) ([]chunk, error) {
	if err := s.check(); err != nil {
		return nil, f.corrupt(s, s.Offset, "%w", err)
	}
	count := chunks(s.Length)
	at := s.Offset + s.Stored - count*indexEntry
	b, err := f.readPart(ctx, s.Pack, at, count*indexEntry)
	if err != nil {
		return nil, f.readError(s, at, err)
	}
	if got := Hash(xxhash.Sum64(b)); got != s.Hash {
		return nil, f.corrupt(s, at, "checksum %016x of the index, %016x is expected", uint64(got), uint64(s.Hash))
	}
	list := make([]chunk, count)
	next := s.Offset
	for i := range list {
		stored := binary.LittleEndian.Uint32(b[i*indexEntry:])
		list[i] = chunk{next, int(stored), binary.LittleEndian.Uint64(b[i*indexEntry+4:])}
		next += int64(stored)
		if stored > maxStored {
			return nil, f.corrupt(s, at, "a chunk of %d bytes", stored)
		}
	}
	if next != at {
		return nil, f.corrupt(s, at, "the chunks end at %d", next)
	}
	return list, nil
}

// readPart reads a few bytes of a pack, all of them or none.
func (f Folder) readPart(ctx context.Context, pack string, offset, length int64) ([]byte, error) {
	r, err := f.Store.Get(ctx, f.object(pack), offset, length)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// Not io.ReadFull: a damaged length would take its memory first.
	b, err := io.ReadAll(io.LimitReader(r, length))
	if err == nil && int64(len(b)) < length {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// readError gives an error of the store its place. What is not there is corrupt.
func (f Folder) readError(s Section, offset int64, err error) error {
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return f.corrupt(s, offset, "the object is cut off")
	case errors.Is(err, ErrNotFound):
		return f.corrupt(s, offset, "%w", err)
	}
	return fmt.Errorf("read %s: section %q at offset %d: %w", f.object(s.Pack), s.Name, offset, err)
}

func (f Folder) corrupt(s Section, offset int64, format string, args ...any) error {
	return fault.Corruptf("%s: section %q at offset %d: %w", f.object(s.Pack), s.Name, offset, fmt.Errorf(format, args...))
}
