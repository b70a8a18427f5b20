package connector

import (
	"encoding/json"
	"slices"

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
