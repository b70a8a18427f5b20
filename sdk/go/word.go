//go:build !wasm

package wasmill

import "encoding/binary"

func load64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }

func store64(b []byte, at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }
