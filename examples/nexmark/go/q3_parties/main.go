// Command q3_parties is the operator of q3 before the shuffle: persons of OR, ID and CA as
// (name, city, state) under their id, auctions of category 10 as their id under their
// seller's.
package main

import (
	"github.com/wasmill/wasmill/examples/nexmark/go/nexmark"
	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	var value []byte
	return wasmill.Operator{
		Name:    "q3-parties",
		Version: "1.0.0",
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			if auction, ok := nexmark.AsAuction(r.Value); ok && auction.Category() == 10 {
				r.Value = auction[:9] // its kind and id
				nexmark.EmitUnder(c, auction.Seller(), *r)
			} else if person, ok := nexmark.AsPerson(r.Value); ok && wanted(person.State()) {
				value = append(value[:0], nexmark.PersonKind)
				value = nexmark.PutText(value, person.Name())
				value = nexmark.PutText(value, person.City())
				value = nexmark.PutText(value, person.State())
				r.Value = value
				nexmark.EmitUnder(c, person.ID(), *r)
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
