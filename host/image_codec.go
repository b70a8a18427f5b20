package host

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/wasmill/wasmill/runtime/fault"
)

// imageMagic starts an encoded image; the last byte is the version of the format.
var imageMagic = [4]byte{'W', 'M', 'I', 1}

const (
	imageHeader = 4 + 32 + 8 + 8 + 4 + 4 + 4 // magic, module, clock, random, pages, globals, runs
	globalSize  = 4 + 4 + 8
	runHeader   = 4 + 4
	imageSum    = 8
)

// Marshal encodes the image. The same state always gives the same bytes.
func (m *Image) Marshal() []byte {
	size := imageHeader + len(m.Globals)*globalSize + imageSum
	for _, r := range m.Memory {
		size += runHeader + len(r.Bytes)
	}
	le := binary.LittleEndian
	b := append(make([]byte, 0, size), imageMagic[:]...)
	b = append(b, m.Module[:]...)
	b = le.AppendUint64(b, uint64(m.Clock))
	b = le.AppendUint64(b, m.Random)
	b = le.AppendUint32(b, m.Pages)
	b = le.AppendUint32(b, uint32(len(m.Globals)))
	b = le.AppendUint32(b, uint32(len(m.Memory)))
	for _, g := range m.Globals {
		b = le.AppendUint32(b, g.Index)
		b = le.AppendUint32(b, uint32(g.Type))
		b = le.AppendUint64(b, g.Value)
	}
	for _, r := range m.Memory {
		b = le.AppendUint32(b, r.Block)
		b = le.AppendUint32(b, uint32(len(r.Bytes)/ImageBlock))
		b = append(b, r.Bytes...)
	}
	return le.AppendUint64(b, xxhash.Sum64(b))
}

// UnmarshalImage decodes an image, which keeps parts of b. What is not one is
// fault.ErrCorrupt.
func UnmarshalImage(b []byte) (*Image, error) {
	le := binary.LittleEndian
	if len(b) < imageHeader+imageSum {
		return nil, fault.Corruptf("read image: %d bytes are too few", len(b))
	}
	if [4]byte(b) != imageMagic {
		return nil, fault.Corruptf("read image: unknown format or version")
	}
	content := b[:len(b)-imageSum]
	if xxhash.Sum64(content) != le.Uint64(b[len(content):]) {
		return nil, fault.Corruptf("read image: the checksum does not match")
	}
	m := &Image{Module: [32]byte(b[4:]), Clock: int64(le.Uint64(b[36:])), Random: le.Uint64(b[44:]), Pages: le.Uint32(b[52:])}
	globals, runs := le.Uint32(b[56:]), le.Uint32(b[60:])
	rest := content[imageHeader:]
	if uint64(globals)*globalSize > uint64(len(rest)) {
		return nil, fault.Corruptf("read image: %d globals do not fit", globals)
	}
	for range globals {
		if le.Uint32(rest[4:]) > 0xff {
			return nil, fault.Corruptf("read image: unknown type of a global")
		}
		m.Globals = append(m.Globals, GlobalValue{le.Uint32(rest), rest[4], le.Uint64(rest[8:])})
		rest = rest[globalSize:]
	}
	next := uint64(0) // first block that the next run may have
	for range runs {
		if len(rest) < runHeader {
			return nil, fault.Corruptf("read image: memory is cut off")
		}
		r := Run{Block: le.Uint32(rest)}
		count := uint64(le.Uint32(rest[4:]))
		rest = rest[runHeader:]
		if count == 0 || count*ImageBlock > uint64(len(rest)) || uint64(r.Block) < next || uint64(r.Block)+count > uint64(m.Pages)*(wasmPage/ImageBlock) {
			return nil, fault.Corruptf("read image: memory at block %d is out of place", r.Block)
		}
		next = uint64(r.Block) + count
		r.Bytes, rest = rest[:count*ImageBlock:count*ImageBlock], rest[count*ImageBlock:]
		m.Memory = append(m.Memory, r)
	}
	if len(rest) != 0 {
		return nil, fault.Corruptf("read image: %d bytes too many", len(rest))
	}
	return m, nil
}
