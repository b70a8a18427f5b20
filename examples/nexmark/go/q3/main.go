// Command q3 is the operator of q3 by seller: SELECT person.name, city, state, auction.id FROM
// auction JOIN person ON seller = person.id. State: the person or, until it comes, the ids of
// the auctions.
package main

import (
	"github.com/wasmill/wasmill/examples/nexmark/go/nexmark"
	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	persons := &wasmill.Value[[]byte]{Name: "persons", Codec: wasmill.Bytes} // as q3_parties makes them
	waiting := &wasmill.List[int64]{Name: "waiting", Codec: wasmill.Int64}
	var row nexmark.Row
	emit := func(c *wasmill.Context, timestamp int64, person []byte, id int64) {
		row = appendRow(row[:0], person[1:], id)
		c.Emit(&wasmill.Record{Timestamp: timestamp, Value: row})
	}
	return wasmill.Operator{
		Name:    "q3",
		Version: "1.0.0",
		Tables:  []wasmill.Table{persons, waiting},
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			person, known := persons.Get(c)
			switch {
			case r.Value[0] == nexmark.PersonKind && !known:
				persons.Set(c, r.Value)
				for id := range waiting.All(c) {
					emit(c, r.Timestamp, r.Value, id)
				}
				waiting.Clear(c)
			case r.Value[0] == nexmark.AuctionKind:
				id := nexmark.ToNumber(r.Value[1:])
				if known {
					emit(c, r.Timestamp, person, id)
				} else {
					waiting.Add(c, id)
				}
			}
			return nil
		},
	}
}

func appendRow(row nexmark.Row, texts []byte, id int64) nexmark.Row {
	name, texts := nexmark.TakeText(texts)
	city, texts := nexmark.TakeText(texts)
	state, _ := nexmark.TakeText(texts)
	return row.
		Text(`{"name":`, name).
		Text(`,"city":`, city).
		Text(`,"state":`, state).
		Number(`,"id":`, id).
		End()
}
