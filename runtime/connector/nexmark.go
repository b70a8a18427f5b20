package connector

import (
	"context"
	"math"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

var nexmarkSpec = graph.ConnectorSpec{
	Doc: "the persons, auctions and bids of the Nexmark benchmark, read from a file",
	Fields: []graph.Field{
		{Name: "events", Type: graph.FieldInt, Default: "unlimited", Words: map[string]int64{"unlimited": -1}, Doc: "how many, over all subtasks"},
		{Name: "file", Type: graph.FieldPath, Required: true, Doc: "events to give out, one JSON object on a line; may be compressed by gzip"},
		maxLine,
	},
}

type nexmarkSettings struct {
	Events  int64  `json:"events"` // below 0: unlimited
	File    string `json:"file"`
	MaxLine int    `json:"maxLine"`
}

func openNexmark(_ context.Context, op *graph.Operator, c Context) (operator.Source, error) {
	with := nexmarkSettings{}
	if err := settings(op, &with); err != nil {
		return nil, err
	}
	if with.Events < 0 {
		with.Events = math.MaxInt64
	}
	return openNexmarkFile(with, c)
}
