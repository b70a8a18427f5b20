package connector

import (
	"encoding/binary"

	"github.com/wasmill/wasmill/runtime/fault"
)

// What is staged are messages as they will be published, many of them in a chunk, which
// is one message itself:
//
//	chunk   = u8 version 1, u32 index of the chunk in its transaction, message*
//	message = uvarint len, subject, uvarint len of key + 1 | 0 none, key, uvarint len, data
const (
	chunkVersion = 1
	chunkHead    = 5
	chunkBytes   = 256 << 10
)

func appendChunkHead(to []byte, index uint32) []byte {
	return binary.LittleEndian.AppendUint32(append(to, chunkVersion), index)
}

// appendStaged adds a message; a nil key is none.
func appendStaged(to, subject, key, data []byte) []byte {
	to = append(binary.AppendUvarint(to, uint64(len(subject))), subject...)
	if key == nil {
		to = append(to, 0)
	} else {
		to = append(binary.AppendUvarint(to, uint64(len(key))+1), key...)
	}
	return append(binary.AppendUvarint(to, uint64(len(data))), data...)
}

// chunkReader goes through the messages of a chunk. Its slices alias the chunk.
type chunkReader struct {
	rest               []byte
	subject, key, data []byte
}

func openChunk(chunk []byte, index uint32) (chunkReader, error) {
	if len(chunk) < chunkHead || chunk[0] != chunkVersion {
		return chunkReader{}, fault.Corruptf("read chunk %d: not a chunk of version %d", index, chunkVersion)
	}
	if found := binary.LittleEndian.Uint32(chunk[1:]); found != index {
		return chunkReader{}, fault.Corruptf("read chunk %d: it is chunk %d", index, found)
	}
	return chunkReader{rest: chunk[chunkHead:]}, nil
}

// next is false at the end.
func (c *chunkReader) next() (bool, error) {
	if len(c.rest) == 0 {
		return false, nil
	}
	var ok, has bool
	if c.subject, ok = c.piece(0); !ok {
		return false, fault.Corruptf("read chunk: a subject is cut off")
	}
	has = len(c.rest) > 0 && c.rest[0] != 0
	if c.key, ok = c.piece(1); !ok {
		return false, fault.Corruptf("read chunk: a key is cut off")
	}
	if !has {
		c.key = nil
	}
	if c.data, ok = c.piece(0); !ok {
		return false, fault.Corruptf("read chunk: data are cut off")
	}
	return true, nil
}

// piece reads a length, from which bias is taken unless it is 0, and so many bytes.
func (c *chunkReader) piece(bias uint64) ([]byte, bool) {
	size, n := binary.Uvarint(c.rest)
	if n <= 0 {
		return nil, false
	}
	if size > 0 {
		size -= bias
	}
	if size > uint64(len(c.rest)-n) {
		return nil, false
	}
	piece := c.rest[n : n+int(size) : n+int(size)]
	c.rest = c.rest[n+int(size):]
	return piece, true
}
