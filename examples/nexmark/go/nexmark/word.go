//go:build !wasm

package nexmark

import "encoding/binary"

// load is the word of eight bytes at an offset.
func load(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
