// Command q3_parties is an operator: what q3 is about. Persons of OR, ID and CA go out as
// (name, city, state) under their id, auctions of category 10 as their id under their
// seller's.
package main

import (
	"encoding/binary"

	"github.com/wasmill/wasmill/examples/nexmark/go/nexmark"
	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	var key, value []byte
	return wasmill.Operator{
		Name:    "q3-parties",
		Version: "1.0.0",
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			if auction, ok := nexmark.AsAuction(r.Value); ok && auction.Category() == 10 {
				key = binary.LittleEndian.AppendUint64(key[:0], uint64(auction.Seller()))
				r.Key, r.Value = key, auction[:9] // its kind and id
				c.Emit(r)
			} else if person, ok := nexmark.AsPerson(r.Value); ok && wanted(person.State()) {
				key = binary.LittleEndian.AppendUint64(key[:0], uint64(person.ID()))
				value = append(value[:0], nexmark.PersonKind)
				value = nexmark.PutText(value, person.Name())
				value = nexmark.PutText(value, person.City())
				value = nexmark.PutText(value, person.State())
				r.Key, r.Value = key, value
				c.Emit(r)
			}
			return nil
		},
	}
}

func wanted(state []byte) bool {
	switch string(state) {
	case "OR", "ID", "CA":
		return true
	}
	return false
}
