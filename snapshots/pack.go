package snapshots

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
	"github.com/wasmill/wasmill/runtime/fault"
)

// A pack is what one subtask of a task uploads for one checkpoint: one object, whatever
// the number of operators, tables and key groups. Numbers are little-endian.
//
//	pack    = header section* footer trailer
//	header  = "WMPK" u8 version u8[3] 0
//	section = chunk* index
//	chunk   = a zstd frame of chunkSize bytes, of fewer in a section's last
//	index   = (u32 stored bytes, u64 xxhash64 of them) of each chunk
//	footer  = u32 sections (u16 len, name, u64 offset, u64 stored, u64 length, u64 xxhash64 of the index)*
//	trailer = u64 offset of the footer, u64 xxhash64 of header, footer and that offset, "WMPE"
//
// Every byte is under a checksum, and any part of a section is read without the rest.
const (
	packHead     = "WMPK\x01\x00\x00\x00"
	packTail     = "WMPE"
	packVersion  = 1
	chunkSize    = 256 << 10
	indexEntry   = 12
	trailerSize  = 8 + 8 + len(packTail)
	maxStored    = chunkSize + chunkSize/64 + 64 // zstd's worst case, and room
	maxFooter    = 64 << 20
	maxSections  = 1 << 16
	sectionFixed = 4 * 8 // bytes of a footer's entry besides its name
)

// chunks is how many chunks a section of that many bytes has.
func chunks(length int64) int64 { return (length + chunkSize - 1) / chunkSize }

var encoders = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(chunkSize))
	if err != nil {
		panic(err) // the options are constants
	}
	return e
}}

var decoders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(chunkSize), zstd.WithDecoderMaxWindow(chunkSize))
	if err != nil {
		panic(err) // the options are constants
	}
	return d
}}

func appendFooter(b []byte, sections []Section) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(sections)))
	for _, s := range sections {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(s.Name)))
		b = append(b, s.Name...)
		b = binary.LittleEndian.AppendUint64(b, uint64(s.Offset))
		b = binary.LittleEndian.AppendUint64(b, uint64(s.Stored))
		b = binary.LittleEndian.AppendUint64(b, uint64(s.Length))
		b = binary.LittleEndian.AppendUint64(b, uint64(s.Hash))
	}
	return b
}

func appendTrailer(b []byte, footer []byte, offset int64) []byte {
	at := binary.LittleEndian.AppendUint64(nil, uint64(offset))
	b = append(b, at...)
	b = binary.LittleEndian.AppendUint64(b, footerHash(footer, at))
	return append(b, packTail...)
}

func footerHash(footer, offset []byte) uint64 {
	h := xxhash.New()
	h.WriteString(packHead)
	h.Write(footer)
	h.Write(offset)
	return h.Sum64()
}

// readHeader checks the first bytes of a pack.
func readHeader(b []byte) error {
	switch {
	case len(b) < len(packHead) || string(b[:4]) != packHead[:4]:
		return fault.Corruptf("header at offset 0: it is no pack")
	case b[4] != packVersion:
		return fault.Corruptf("header at offset 4: version %d, this program reads %d", b[4], packVersion)
	case !bytes.Equal(b[:len(packHead)], []byte(packHead)):
		return fault.Corruptf("header at offset 5: bytes that are not 0")
	}
	return nil
}

// readTrailer tells where the footer begins in a pack of that size.
func readTrailer(trailer []byte, size int64) (footer int64, err error) {
	at := size - int64(trailerSize)
	if len(trailer) != trailerSize || string(trailer[16:]) != packTail {
		return 0, fault.Corruptf("trailer at offset %d: it does not end as a pack", at)
	}
	footer = int64(binary.LittleEndian.Uint64(trailer))
	if footer < int64(len(packHead)) || footer > at-4 || at-footer > maxFooter {
		return 0, fault.Corruptf("trailer at offset %d: a footer at %d is not possible", at, footer)
	}
	return footer, nil
}

// readFooter reads the list of sections, which lie one after the other from the header
// to the footer. Pack is the name they get.
func readFooter(b, trailer []byte, offset int64, pack string) ([]Section, error) {
	bad := func(format string, args ...any) ([]Section, error) {
		return nil, fault.Corruptf("footer at offset %d: %s", offset, fmt.Sprintf(format, args...))
	}
	if got, want := footerHash(b, trailer[:8]), binary.LittleEndian.Uint64(trailer[8:]); got != want {
		return bad("checksum %016x, it says %016x", got, want)
	}
	count := binary.LittleEndian.Uint32(b)
	if count > maxSections {
		return bad("%d sections", count)
	}
	b = b[4:]
	next := int64(len(packHead))
	var sections []Section
	for range count {
		if len(b) < 2 || len(b) < 2+int(binary.LittleEndian.Uint16(b))+sectionFixed {
			return bad("it is cut off")
		}
		n := 2 + int(binary.LittleEndian.Uint16(b))
		s := Section{Pack: pack, Name: string(b[2:n])}
		s.Offset = int64(binary.LittleEndian.Uint64(b[n:]))
		s.Stored = int64(binary.LittleEndian.Uint64(b[n+8:]))
		s.Length = int64(binary.LittleEndian.Uint64(b[n+16:]))
		s.Hash = Hash(binary.LittleEndian.Uint64(b[n+24:]))
		b = b[n+sectionFixed:]
		if s.Offset != next || s.Stored > offset-s.Offset || s.check() != nil {
			return bad("section %q is not possible", s.Name)
		}
		if slices.ContainsFunc(sections, func(o Section) bool { return o.Name == s.Name }) {
			return bad("section %q is there twice", s.Name)
		}
		next += s.Stored
		sections = append(sections, s)
	}
	if next != offset || len(b) != 0 {
		return bad("it does not list all that is there")
	}
	return sections, nil
}

// check refuses sizes that no section has.
func (s *Section) check() error {
	index := chunks(s.Length) * indexEntry
	if s.Offset < 0 || s.Length < 0 || s.Length > 1<<50 || s.Stored < index || s.Stored > index+chunks(s.Length)*maxStored {
		return fault.Corruptf("%d bytes stored for %d are not possible", s.Stored, s.Length)
	}
	return nil
}
