// Package wasmill is for writing operators of wasmill dataflows in Go. An operator is
// a program built with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o operator.wasm .
//
// that registers itself in an init function:
//
//	func init() {
//		wasmill.Process(func(c *wasmill.Context, r *wasmill.Record) error {
//			c.Emit(r)
//			return nil
//		})
//	}
//
//	func main() {}
//
// Start with Operator, Context and Record. Package wasmilltest runs an operator
// natively, in a unit test; package config decodes its settings. The interface
// below is said in sdk/abi.md; nothing here needs the network or a file.
package wasmill

// Operator is what a module does. One of Process, Poll, Aggregate and
// Apply must be set; the rest is optional. One value serves one subtask: what its functions share may live in
// variables of the function that makes it.
type Operator struct {
	// Name and Version tell people which module they have.
	Name, Version string

	// Inputs and Outputs are the names that job files refer to; a record knows its
	// input, and chooses its output, by the index in these lists. Nil stands for
	// {"in"} (none for a source) and {"out"}. Empty and not nil: there are none.
	Inputs, Outputs []string

	// KeepsKey promises that every record goes out under the key it came in with.
	KeepsKey bool

	// ConfigSchema is a JSON Schema of the operator's config. The job file is checked
	// against it. Empty allows any object.
	ConfigSchema string

	// Open runs once, before the first record and not after a restore of the heap. It
	// may not emit.
	Open func(c *Context) error

	// Process handles one record of an input; Context.Input says which. The record is
	// the operator's to change, but for the bytes of its key; its slices are valid until
	// it returns.
	Process func(c *Context, r *Record) error

	// Poll makes the operator a source: it emits at most max records and returns.
	Poll func(c *Context, max int) (Status, error)

	// Flush gives out what is held back. It runs at every buffer timeout and before End.
	Flush func(c *Context) error

	// End gives out the last records: all inputs have ended.
	End func(c *Context) error

	// Tables are the operator's state: each a Value, a Map or a List.
	Tables []Table

	// StateVersion is stored with each entry that is written. When the form of values
	// changes, raise it and give the tables a Migrate.
	StateVersion uint32

	// BroadcastInputs are those whose records come to all subtasks: for them there is no
	// keyed state.
	BroadcastInputs []string

	// Timer handles a timer of a key that is due.
	Timer func(c *Context, t *Timer) error

	// Watermark is told when event time advances, after the timers that were due.
	Watermark func(c *Context, ts int64) error

	// Barrier is told that a snapshot comes, by the number of its checkpoint: it is the
	// last moment to write to tables what is kept elsewhere.
	Barrier func(c *Context, checkpoint int64) error

	// Aggregate folds the records of windows into accumulators; an Aggregate[A].
	Aggregate WindowAggregate

	// Apply takes the records of a window when it closes.
	Apply func(c *Context, w *Window) error
}

// Status is what a source says of what comes next.
type Status int32

// The statuses of a source.
const (
	More Status = iota // poll again
	Idle               // nothing at the moment; poll again after a while
	End                // nothing ever again
)

var registered func() Operator

// RegisterFunc makes what f makes the operator of this module. Call it once, in an init
// function.
func RegisterFunc(f func() Operator) { registered = f }

// Register is RegisterFunc for an operator that is there. Register(f()) is slow: the
// compiler copies f into init, and inlines nothing into the copies of its closures, which
// handle the records.
func Register(op Operator) { registered = func() Operator { return op } }

// Registered is the operator of this module: what the exports run, and a test may.
func Registered() Operator {
	if registered == nil {
		return Operator{}
	}
	return registered()
}

// Process registers an operator of one input and one output that handles a record at
// a time.
func Process(f func(c *Context, r *Record) error) { Register(Operator{Process: f}) }

// Source registers an operator that makes records, at most max at a time.
func Source(f func(c *Context, max int) (Status, error)) { Register(Operator{Poll: f}) }
