package graph

import (
	"encoding/json"

	"github.com/wasmill/wasmill/sdk/abi"
)

// Catalog is what connectors there are, so that a job file can be checked before
// anything of it runs. Names are sorted.
type Catalog interface {
	Source(name string) (ConnectorSpec, bool)
	Sink(name string) (ConnectorSpec, bool)
	Sources() []string
	Sinks() []string
}

// ConnectorSpec is what a job file may say to a connector.
type ConnectorSpec struct {
	Doc    string  // one line
	Fields []Field // of `with`
	// Formats are the values of `decode` (of a source) or `encode` (of a sink) that the
	// connector takes; the first is the default. None: the field is refused.
	Formats []string
	// MaxParallelism is how many subtasks the connector can have; 0 is any number.
	MaxParallelism int
	// Timestamps says that records of the source may be stamped by `timestamp`.
	Timestamps bool
	// TwoPhase says that a sink's output appears when its checkpoint completes.
	TwoPhase bool
	// Endless tells of settings, as in Operator.With, whether a source with them ends
	// only when it is told to; nil: none does.
	Endless func(settings json.RawMessage) bool
}

// FieldType is how a setting is written in a job file and how it stands in
// Operator.With.
type FieldType string

// The types of settings. On the left what the author writes, on the right the JSON
// that a connector decodes.
const (
	FieldString   FieldType = "string"   // text → string
	FieldInt      FieldType = "int"      // 10, or one of Field.Words → integer
	FieldBool     FieldType = "bool"     // true → true
	FieldDuration FieldType = "duration" // 1h30m → integer, nanoseconds: a time.Duration
	FieldSize     FieldType = "size"     // 64MiB, 100 → integer, bytes
	FieldTime     FieldType = "time"     // 2026-01-02T15:04:05Z, 1767366245000 → integer, ms since 1970
	FieldPath     FieldType = "path"     // data/*.csv → string, absolute
	FieldList     FieldType = "list"     // a list of anything → array, elements as JSON
)

// Field is one setting of a connector.
type Field struct {
	Name     string
	Type     FieldType
	Required bool
	// Default is written like in a job file and stands in With if the author says
	// nothing; "": the field is then absent from With.
	Default string
	// Words are names for numbers of a FieldInt: {"unlimited": -1}.
	Words map[string]int64
	// Min and Max bound an int, duration, size or time; Max 0 is no bound. Words are exempt.
	Min, Max int64
	// Enum are the values a string may have; none: any.
	Enum []string
	// Exclusive says that no two operators of a job may have the same value: what they
	// write there would meet.
	Exclusive bool
	// Check, if set, has the last word on a value, and on each element of a list, as
	// it will stand in With. Its error is shown at the value's line and column.
	Check func(value json.RawMessage) error
	Doc   string // one line
}

// ModuleInfo is what a plan needs to know of a wasm module.
type ModuleInfo struct {
	Description abi.Description
	SHA256      string // hex; the module's name
	Memory      int64  // bytes it starts with
	Table       int64  // entries of its largest table at the start
	NoImage     string // why no image of an instance can be taken: "changes tables at …"; empty if one can
}

// Resolver finds out about the module at an absolute path. Its error is shown at the
// line of the job file that names the module.
type Resolver func(path string) (ModuleInfo, error)
