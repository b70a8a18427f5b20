package rewrite

// The meter is one global of type i64, so that a function that counts both pays for
// one load and one store:
//
//	bits 32–63  depth: how many nested calls are left; negative: too many
//	bits  0–31  fuel left, signed; negative: ask the host
//
// Charging subtracts from the whole. Fuel that falls below zero borrows one from
// depth, which the host gives back: it gets the meter and answers with the new one.
const (
	depthUnit = 1 << 32
	exhausted = -0x7fffffff_80000000 // sign bits of both: 0x8000000080000000
)

// Meter makes a meter value.
func Meter(depth, fuel int32) uint64 { return uint64(depth)<<32 | uint64(uint32(fuel)) }

// Depth and Fuel read a meter value.
func Depth(meter uint64) int32 {
	d := int32(meter >> 32)
	if Fuel(meter) < 0 {
		d++
	}
	return d
}

// Fuel is what is left; negative if more was used than there was.
func Fuel(meter uint64) int32 { return int32(uint32(meter)) }
