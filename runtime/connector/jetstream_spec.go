package connector

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/wasmill/wasmill/runtime/graph"
)

var jetStreamSourceSpec = graph.ConnectorSpec{
	Doc: "the messages of a NATS JetStream stream",
	Fields: slices.Concat([]graph.Field{
		{Name: "stream", Type: graph.FieldString, Required: true, Check: checkStreamName, Doc: "the stream's name"},
		{Name: "subjects", Type: graph.FieldList, Check: checkSubjects, Doc: "which of its subjects, with * and >; left out: all. Each is read by one subtask"},
		{Name: "partitions", Type: graph.FieldInt, Default: "auto", Words: map[string]int64{"auto": 0}, Min: 1, Max: 32768, Doc: "how many parts, by hash of the subject, each of subjects is cut into"},
		{Name: "start", Type: graph.FieldString, Default: "all", Check: checkStart, Doc: "where a run from nothing begins: all, new, sequence N, or time T"},
		{Name: "end", Type: graph.FieldString, Default: "never", Enum: []string{"never", "latest"}, Doc: "latest: behind the last message that was there when the job began"},
		{Name: "keyFrom", Type: graph.FieldString, Default: "none", Check: checkKeyFrom, Doc: "what becomes the key: none, subject, subject N (its token N), or header NAME"},
		{Name: "missing", Type: graph.FieldString, Default: "fail", Enum: []string{"fail", "skip"}, Doc: "what happens when the stream has dropped messages that were not read yet"},
	}, natsFields),
	Formats:    []string{"lines", "json", "message"},
	Timestamps: true,
	Endless: func(with json.RawMessage) bool {
		var s streamSourceSettings
		return json.Unmarshal(with, &s) != nil || s.End != "latest"
	},
}

var jetStreamSinkSpec = graph.ConnectorSpec{
	Doc: "messages of a NATS JetStream stream, published when their checkpoint completes",
	Fields: slices.Concat([]graph.Field{
		{Name: "stream", Type: graph.FieldString, Required: true, Check: checkStreamName, Doc: "the stream's name"},
		{Name: "subject", Type: graph.FieldString, Required: true, Check: checkTemplate, Doc: "what records are published to; {key} is the record's key, {subtask} the subtask's number"},
		{Name: "keyHeader", Type: graph.FieldString, Check: checkHeaderName, Doc: "the header that the record's key is put in; left out: none"},
		{Name: "create", Type: graph.FieldBool, Default: "false", Doc: "whether to make the stream if it is missing"},
		{Name: "replicas", Type: graph.FieldInt, Default: "1", Min: 1, Max: 5, Doc: "replicas of a stream that is made"},
		{Name: "keepStaged", Type: graph.FieldDuration, Default: "168h", Min: int64(time.Minute), Doc: "how long what is staged waits for its commit: no outage may last longer"},
		{Name: "batch", Type: graph.FieldInt, Default: "5000", Min: 2, Max: 100_000, Doc: "messages of an atomic batch at most; with a server that takes fewer (max_batch_size), so many"},
	}, natsFields),
	Formats:  []string{"lines", "json"},
	TwoPhase: true,
}
