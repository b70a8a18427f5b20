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
)

// Folder is where the packs of a job or a savepoint lie.
type Folder struct {
	Store Store
	Path  string // JobFolder or SavepointFolder
}

func (f Folder) object(name string) string {
	if f.Path == "" {
		return name
	}
	return f.Path + "/" + name
}

// PackWriter writes one pack, section after section, while it is being uploaded.
type PackWriter struct {
	pack     string
	upload   func() *io.PipeWriter // begins it, at the first byte
	pipe     *io.PipeWriter
	offset   int64
	sections []Section
	raw      []byte // of the chunk being filled
	stored   []byte // of the chunk being written
}

var errPackFailed = errors.New("the pack has failed")

// WritePack writes a pack: write calls Section for each part. It takes about a megabyte
// of memory besides what the store buffers, whatever the size. The object is there on
// return, or not at all if there was an error; a pack without sections leaves none.
func (f Folder) WritePack(ctx context.Context, p PackID, write func(*PackWriter) error) (size int64, err error) {
	name := p.Name()
	uploaded := make(chan error, 1)
	w := &PackWriter{pack: name}
	w.upload = func() *io.PipeWriter {
		r, pipe := io.Pipe()
		go func() {
			err := f.Store.Put(ctx, f.object(name), r, -1)
			r.CloseWithError(cmpError(err, errPackFailed))
			uploaded <- err
		}()
		return pipe
	}
	err = write(w)
	if err == nil && w.pipe != nil {
		err = w.finish()
	}
	if w.pipe == nil {
		return 0, err
	}
	if err == nil {
		w.pipe.Close()
	} else {
		w.pipe.CloseWithError(err)
	}
	if putErr := <-uploaded; putErr != nil {
		return 0, fmt.Errorf("write pack %s: %w", f.object(name), putErr)
	}
	return w.offset, err
}

func cmpError(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// Section writes one section: all that write gives to its writer. The result goes into
// the manifest.
func (w *PackWriter) Section(name string, write func(io.Writer) error) (Section, error) {
	s := Section{Pack: w.pack, Name: name}
	if name == "" || len(name) > 1<<16-1 || slices.ContainsFunc(w.sections, func(o Section) bool { return o.Name == name }) {
		return s, fmt.Errorf("write section %q of %s: the name is taken, empty or too long", name, w.pack)
	}
	if w.pipe == nil {
		w.pipe = w.upload()
		if err := w.send([]byte(packHead)); err != nil {
			return s, err
		}
	}
	s.Offset = w.offset
	c := &chunkWriter{pack: w, encoder: encoders.Get().(*zstd.Encoder)}
	defer encoders.Put(c.encoder)
	if err := write(c); err != nil {
		return s, fmt.Errorf("write section %q of %s: %w", name, w.pack, err)
	}
	if err := c.flush(); err != nil {
		return s, err
	}
	s.Length, s.Hash = c.length, Hash(xxhash.Sum64(c.index))
	if err := w.send(c.index); err != nil {
		return s, err
	}
	s.Stored = w.offset - s.Offset
	w.sections = append(w.sections, s)
	return s, nil
}

func (w *PackWriter) finish() error {
	footer := appendFooter(nil, w.sections)
	return w.send(appendTrailer(slices.Clone(footer), footer, w.offset))
}

func (w *PackWriter) send(b []byte) error {
	n, err := w.pipe.Write(b)
	w.offset += int64(n)
	return err
}

// chunkWriter cuts a section into chunks.
type chunkWriter struct {
	pack    *PackWriter
	encoder *zstd.Encoder
	length  int64
	index   []byte
}

func (c *chunkWriter) Write(b []byte) (n int, err error) {
	if c.pack.raw == nil {
		c.pack.raw = make([]byte, 0, chunkSize)
	}
	for len(b) > 0 {
		k := min(len(b), chunkSize-len(c.pack.raw))
		c.pack.raw = append(c.pack.raw, b[:k]...)
		b = b[k:]
		n += k
		if len(c.pack.raw) == chunkSize {
			if err := c.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// flush writes the chunk being filled, if there is one.
func (c *chunkWriter) flush() error {
	if len(c.pack.raw) == 0 {
		return nil
	}
	c.pack.stored = c.encoder.EncodeAll(c.pack.raw, c.pack.stored[:0])
	c.length += int64(len(c.pack.raw))
	c.pack.raw = c.pack.raw[:0]
	c.index = binary.LittleEndian.AppendUint32(c.index, uint32(len(c.pack.stored)))
	c.index = binary.LittleEndian.AppendUint64(c.index, xxhash.Sum64(c.pack.stored))
	return c.pack.send(c.pack.stored)
}
