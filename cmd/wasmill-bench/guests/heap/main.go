// Command heap keeps a map of many megabytes in its variables. A record counts in every
// 400th of its entries, four of which lie in a page of 4 KiB: as many keys as there are such
// entries touch a hundredth of the pages.
package main

import (
	"encoding/binary"
	"fmt"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/config"
)

const (
	stride  = 400
	perMiB  = 1024
	runtime = 4 // MiB that the program takes by itself
)

// entry has as many bytes as Go allocates for it.
type entry struct {
	count uint64
	last  [24]byte
	rest  [992]byte
}

type operator struct {
	settings struct {
		Mebibytes int `json:"mebibytes"` // of memory, about
		Every     int `json:"every"`     // records for each that is given out
	}
	entries map[uint64]*entry
	records int
}

func init() {
	o := &operator{}
	wasmill.Register(wasmill.Operator{Name: "heap", Open: o.open, Process: o.process})
}

func main() {}

// open fills the entries with what does not compress.
func (o *operator) open(c *wasmill.Context) error {
	if err := config.Decode(c, &o.settings); err != nil {
		return err
	}
	n := (o.settings.Mebibytes - runtime) * perMiB
	o.entries = make(map[uint64]*entry, n)
	x := uint64(1)
	for i := range uint64(n) {
		e := &entry{}
		for at := 0; at < len(e.rest); at += 8 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			binary.LittleEndian.PutUint64(e.rest[at:], x)
		}
		o.entries[i] = e
	}
	return nil
}

func (o *operator) process(c *wasmill.Context, r *wasmill.Record) error {
	key := uint64(0)
	for _, digit := range r.Key {
		key = 10*key + uint64(digit-'0')
	}
	e := o.entries[key*stride]
	if e == nil {
		return fmt.Errorf("key %s is of no entry", r.Key)
	}
	e.count++
	copy(e.last[:], r.Value)
	if o.records++; o.records%o.settings.Every == 0 {
		c.Emit(r)
	}
	return nil
}
