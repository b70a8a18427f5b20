// Command goguest keeps state all over a Go heap: a map, a growing slice, a goroutine
// in the middle of its work, the clock and random numbers. Each batch gives one record
// that depends on all of it.
package main

import (
	"fmt"
	"math/rand"
	"sort"
	"time"
	"unsafe"
)

//go:wasmimport wasmill emit
func emit(output uint32, batch unsafe.Pointer, size uint32)

const description = `{"abi":1,"name":"goguest","shape":"process","inputs":["in"],"outputs":["out"]}`

var (
	input   []byte
	output  []byte
	counts  = map[string]int{}
	history []string
	steps   = make(chan []byte)
	sums    = make(chan uint64)
)

//go:wasmexport wasmill_describe
func describe() uint64 {
	return uint64(uintptr(unsafe.Pointer(unsafe.StringData(description))))<<32 | uint64(len(description))
}

//go:wasmexport wasmill_alloc
func alloc(size uint32) unsafe.Pointer {
	if int(size)+16 > len(input) {
		input = make([]byte, size+16)
	}
	p := unsafe.Pointer(&input[0])
	return unsafe.Add(p, -uintptr(p)&15)
}

//go:wasmexport wasmill_open
func open(p unsafe.Pointer, size uint32) int32 {
	go func() {
		sum := uint64(0)
		for b := range steps {
			for _, c := range b {
				sum = sum*31 + uint64(c)
			}
			sums <- sum
		}
	}()
	return 0
}

//go:wasmexport wasmill_process
func process(_ uint32, p unsafe.Pointer, size uint32) int32 {
	batch := unsafe.Slice((*byte)(p), size)
	steps <- batch
	sum := <-sums
	word := fmt.Sprintf("%x", batch[len(batch)-1]%13)
	counts[word]++
	history = append(history, word)
	time.Sleep(time.Millisecond)
	keys := make([]string, 0, len(counts))
	for k := range counts {
		keys = append(keys, k) // in the map's random order
	}
	first := keys[0]
	sort.Strings(keys)
	value := fmt.Sprintf("%d %d %s %v %d %d", sum, len(history), first, keys, time.Now().UnixNano(), rand.Int63())
	output = append(output[:0], 0, 0, 0, 4, byte(len(value)), byte(len(value)>>8), 0, 0)
	output = append(output, make([]byte, 8)...)
	output = append(output, value...)
	emit(0, unsafe.Pointer(&output[0]), uint32(len(output)))
	return 0
}

func main() {}
