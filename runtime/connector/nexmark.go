package connector

import (
	"context"
	"encoding/json"
	"math"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

var nexmarkSpec = graph.ConnectorSpec{
	Doc: "the persons, auctions and bids of the Nexmark benchmark, made from their number alone or read from a file",
	Fields: []graph.Field{
		{Name: "events", Type: graph.FieldInt, Default: "unlimited", Words: map[string]int64{"unlimited": -1}, Doc: "how many, over all subtasks"},
		{Name: "rate", Type: graph.FieldInt, Default: "100000", Min: 1, Max: 1e9, Doc: "events per second of event time; of a file, whose events have their times: of the clock"},
		{Name: "speed", Type: graph.FieldString, Default: "max", Enum: []string{"max", "scheduled"}, Doc: "scheduled: events come by the clock, at the rate"},
		{Name: "seed", Type: graph.FieldInt, Default: "0", Doc: "another seed gives other events"},
		{Name: "start", Type: graph.FieldTime, Default: "2020-01-01T00:00:00Z", Max: latestStart, Doc: "the time of the first event"},
		{Name: "persons", Type: graph.FieldInt, Default: "1", Min: 1, Max: mostOfTurn, Doc: "how many of persons + auctions + bids events are persons"},
		{Name: "auctions", Type: graph.FieldInt, Default: "3", Min: 1, Max: mostOfTurn, Doc: "how many of them are auctions"},
		{Name: "bids", Type: graph.FieldInt, Default: "46", Max: mostOfTurn, Doc: "how many of them are bids"},
		{Name: "hotAuctions", Type: graph.FieldInt, Default: "2", Min: 1, Max: mostOfTurn, Doc: "all but one in so many bids are for the hot auction"},
		{Name: "hotBidders", Type: graph.FieldInt, Default: "4", Min: 1, Max: mostOfTurn, Doc: "all but one in so many bids are by the hot bidder"},
		{Name: "hotSellers", Type: graph.FieldInt, Default: "4", Min: 1, Max: mostOfTurn, Doc: "all but one in so many auctions are of the hot seller"},
		{Name: "hotChannels", Type: graph.FieldInt, Default: "2", Min: 1, Max: mostOfTurn, Doc: "all but one in so many bids come by one of four channels, the others by one of 10,000"},
		{Name: "file", Type: graph.FieldPath, Doc: "events to give out, one JSON object on a line, may be compressed by gzip; left out: they are made"},
		maxLine,
	},
	Endless: func(with json.RawMessage) bool {
		var s nexmarkSettings
		return json.Unmarshal(with, &s) == nil && s.Events < 0 && s.File == ""
	},
}

const (
	latestStart = 253_402_300_799_999 // the year 9999
	mostOfTurn  = 1_000_000
)

type nexmarkSettings struct {
	Events      int64  `json:"events"` // below 0: unlimited
	Rate        int64  `json:"rate"`   // per second of event time, of all subtasks
	Speed       string `json:"speed"`
	Seed        int64  `json:"seed"`
	Start       int64  `json:"start"` // ms since 1970
	Persons     int64  `json:"persons"`
	Auctions    int64  `json:"auctions"`
	Bids        int64  `json:"bids"`
	HotAuctions int64  `json:"hotAuctions"`
	HotBidders  int64  `json:"hotBidders"`
	HotSellers  int64  `json:"hotSellers"`
	HotChannels int64  `json:"hotChannels"`
	File        string `json:"file"`
	MaxLine     int    `json:"maxLine"`
}

// scheduled says that events come when their timestamps say.
func (s *nexmarkSettings) scheduled() bool { return s.File == "" && s.Speed == "scheduled" }

func openNexmark(_ context.Context, op *graph.Operator, c Context) (operator.Source, error) {
	with := nexmarkSettings{}
	if err := settings(op, &with); err != nil {
		return nil, err
	}
	if with.Events < 0 {
		with.Events = math.MaxInt64
	}
	if with.File != "" {
		return openNexmarkFile(with, c)
	}
	return openNexmarkGenerator(with, c)
}
