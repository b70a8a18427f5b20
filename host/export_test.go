package host

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// SealImage appends the checksum of an encoded image.
func SealImage(content []byte) []byte {
	return binary.LittleEndian.AppendUint64(append([]byte(nil), content...), xxhash.Sum64(content))
}
