package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

// Catalog is what connectors there are and what a job file may say to each.
func Catalog() graph.Catalog { return catalog{} }

type catalog struct{}

func (catalog) Source(name string) (graph.ConnectorSpec, bool) {
	s, ok := sources[name]
	return s.ConnectorSpec, ok
}

func (catalog) Sink(name string) (graph.ConnectorSpec, bool) {
	s, ok := sinks[name]
	return s.ConnectorSpec, ok
}

func (catalog) Sources() []string { return slices.Sorted(maps.Keys(sources)) }
func (catalog) Sinks() []string   { return slices.Sorted(maps.Keys(sinks)) }

type sourceSpec struct {
	graph.ConnectorSpec
	openSource func(context.Context, *graph.Operator, Context) (operator.Source, error)
}

type sinkSpec struct {
	graph.ConnectorSpec
	openSink      func(context.Context, *graph.Operator, Context) (operator.Sink, error)
	openCommitter func(*graph.Operator) (operator.Committer, error) // two-phase sinks
}

var maxLine = graph.Field{
	Name: "maxLine", Type: graph.FieldSize, Default: "64MiB", Min: 1, Max: 1000 << 20,
	Doc: "longest line, and longest csv row; a longer one is rejected",
}

var sources = map[string]sourceSpec{
	"file": {graph.ConnectorSpec{
		Doc: "the lines of files, each file read by one subtask",
		Fields: []graph.Field{
			{Name: "path", Type: graph.FieldPath, Required: true, Doc: "a file, or a glob"},
			maxLine,
		},
		Formats:    []string{"lines", "csv", "json"},
		Timestamps: true,
	}, openFileSource},
	"generator": {graph.ConnectorSpec{
		Doc: "records made from their number alone, as fast as can be or by a schedule",
		Fields: []graph.Field{
			{Name: "records", Type: graph.FieldInt, Default: "unlimited", Words: map[string]int64{"unlimited": -1}, Doc: "how many, over all subtasks"},
			{Name: "rate", Type: graph.FieldInt, Default: "max", Words: map[string]int64{"max": 0}, Min: 1, Max: 1e9, Doc: "records per second, over all subtasks"},
			{Name: "keys", Type: graph.FieldInt, Default: "0", Doc: "how many different keys; 0: records have none"},
			{Name: "valueSize", Type: graph.FieldSize, Default: "100", Max: maxGeneratedValue, Doc: "bytes of each value"},
			{Name: "seed", Type: graph.FieldInt, Default: "0", Doc: "another seed gives other keys and values"},
		},
		Endless: func(with json.RawMessage) bool {
			var s generatorSettings
			return json.Unmarshal(with, &s) == nil && s.Records < 0
		},
	}, openGenerator},
	"jetstream": {jetStreamSourceSpec, openJetStreamSource},
	"nexmark":   {nexmarkSpec, openNexmark},
	"socket": {graph.ConnectorSpec{
		Doc: "the lines that a TCP server sends; for demonstrations",
		Fields: []graph.Field{
			{Name: "address", Type: graph.FieldString, Required: true, Check: checkAddress, Doc: "host:port to connect to"},
			maxLine,
		},
		Formats:        []string{"lines", "csv", "json"},
		MaxParallelism: 1,
		Timestamps:     true,
		Endless:        func(json.RawMessage) bool { return true },
	}, openSocket},
	"stdin": {graph.ConnectorSpec{
		Doc:            "the lines of standard input",
		Fields:         []graph.Field{maxLine},
		Formats:        []string{"lines", "csv", "json"},
		MaxParallelism: 1,
		Timestamps:     true,
	}, openStdin},
	"values": {graph.ConnectorSpec{
		Doc: "records written in the job file",
		Fields: []graph.Field{
			{Name: "records", Type: graph.FieldList, Required: true, Check: checkValue, Doc: "texts, JSON, or {key, value, time}"},
		},
		Formats:    []string{"lines", "json"},
		Timestamps: true,
	}, openValues},
}

var sinks = map[string]sinkSpec{
	"discard": {graph.ConnectorSpec{Doc: "drops every record"}, openDiscard, nil},
	"file": {graph.ConnectorSpec{
		Doc: "files that appear, whole, when their checkpoint completes",
		Fields: []graph.Field{
			{Name: "path", Type: graph.FieldPath, Required: true, Exclusive: true, Doc: "the folder they appear in"},
			{Name: "partitionBy", Type: graph.FieldString, Check: checkFolderPattern, Doc: "folders below it, by time and key, like dt=%Y-%m-%d/hm=%H:%M; left out: none"},
		},
		Formats: []string{"lines", "json"}, TwoPhase: true,
	}, openFileSink, openFileCommitter},
	"jetstream": {jetStreamSinkSpec, openJetStreamSink, openJetStreamCommitter},
	"stdout": {graph.ConnectorSpec{
		Doc:     "standard output, as records come",
		Formats: []string{"lines", "json"},
	}, openStdout, nil},
}

func checkAddress(value json.RawMessage) error {
	var address string
	if err := json.Unmarshal(value, &address); err != nil {
		return errors.New("must be host:port")
	}
	return validAddress(address)
}

func checkValue(element json.RawMessage) error {
	if _, err := parseValue(element); err != nil {
		return fmt.Errorf("not a record: %w", err)
	}
	return nil
}
