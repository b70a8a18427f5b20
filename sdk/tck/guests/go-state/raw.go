//go:build wasip1

package main

import (
	"bytes"
	"strconv"
	"strings"
	"unsafe"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

// The imports as sdk/abi.md has them.

//go:wasmimport wasmill get
func hostGet(table, key, keyLen, sub, subLen, out, room uint32) int64

//go:wasmimport wasmill put
func hostPut(table, key, keyLen, sub, subLen, value, valueLen uint32)

//go:wasmimport wasmill append
func hostAppend(table, key, keyLen, sub, subLen, value, valueLen uint32)

//go:wasmimport wasmill delete
func hostDelete(table, key, keyLen, sub, subLen uint32)

//go:wasmimport wasmill scan
func hostScan(table, key, keyLen, from, fromLen, to, toLen, out, room uint32) int64

//go:wasmimport wasmill state
func hostState(request, size, out, room uint32) int64

//go:wasmimport wasmill timer_set
func hostTimerSet(domain uint32, at int64, key, keyLen, tag, tagLen uint32)

//go:wasmimport wasmill timer_delete
func hostTimerDelete(domain uint32, at int64, key, keyLen, tag, tagLen uint32)

//go:wasmimport wasmill reply
func hostReply(b, size uint32)

// at is where bytes lie, and how many.
func at(b []byte) (ptr, size uint32) {
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), uint32(len(b))
}

// raw calls an import; text is what follows the word raw.
func raw(c *wasmill.Context, key []byte, text string) error {
	word := append(strings.SplitN(text, " ", 5), "", "", "", "")
	k, kn := at(key)
	table := uint32(number(word[1]))
	sub := []byte(word[2])
	s, sn := at(sub)
	value := []byte(word[3])
	v, vn := at(value)
	room := func(text string) (out []byte, ptr, size uint32) {
		out = bytes.Repeat([]byte("."), int(number(text)))
		ptr, size = at(out)
		return out, ptr, size
	}
	answer := func(result int64, out []byte) error {
		return say(c, key, strconv.FormatInt(result, 10)+" "+string(out))
	}
	switch word[0] {
	case "get":
		out, o, on := room(word[3])
		return answer(hostGet(table, k, kn, s, sn, o, on), out)
	case "put":
		hostPut(table, k, kn, s, sn, v, vn)
	case "append":
		hostAppend(table, k, kn, s, sn, v, vn)
	case "delete":
		hostDelete(table, k, kn, s, sn)
	case "scan":
		out, o, on := room(word[4])
		if word[3] == "*" {
			v, vn = 0, 1<<32-1
		}
		return answer(hostScan(table, k, kn, s, sn, v, vn, o, on), out)
	case "state":
		out, o, on := room(word[1])
		request := []byte(strings.SplitN(text, " ", 3)[2])
		r, rn := at(request)
		return answer(hostState(r, rn, o, on), out)
	case "overlap":
		both := make([]byte, 32)
		b, n := at(both)
		hostState(b, 17, b+16, n-16)
	case "reply":
		hostReply(s, sn)
	case "wild":
		wild(word[1])
	}
	return nil
}

// wild calls an import whose last pointer is outside of memory.
func wild(name string) {
	const far, size = 0xfffffff0, 32
	switch name {
	case "get":
		hostGet(0, 0, 0, 0, 0, far, size)
	case "put":
		hostPut(0, 0, 0, 0, 0, far, size)
	case "append":
		hostAppend(0, 0, 0, 0, 0, far, size)
	case "delete":
		hostDelete(0, 0, 0, far, size)
	case "scan":
		hostScan(0, 0, 0, 0, 0, 0, 0, far, size)
	case "state":
		hostState(0, 0, far, size)
	case "timer_set":
		hostTimerSet(0, 1, 0, 0, far, size)
	case "timer_delete":
		hostTimerDelete(0, 1, 0, 0, far, size)
	case "reply":
		hostReply(far, size)
	}
}
