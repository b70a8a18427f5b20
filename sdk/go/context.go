package wasmill

// Level is the weight of a log line.
type Level int32

// The levels.
const (
	Debug Level = iota
	Info
	Warn
	Error
)

// Settings is what an operator is told when it is opened.
type Settings struct {
	Operator       string // its name in the job file
	Config         []byte // its config, a JSON object; see package config
	Subtask        int    // which of the parallel instances this is, from 0
	Parallelism    int    // how many there are
	MaxParallelism int    // number of key groups
	Restored       bool   // the job continues from a snapshot
}

// Context is an operator's way out: everything it gives and asks goes through it. It
// is valid for the life of the instance and belongs to one goroutine at a time.
type Context struct {
	Settings
	host    Host
	outputs []Output
	first   *Output
	none    Output // stands for an output that does not exist; its index is -1
	input   int
	index   int    // of the current record in its batch; -1 outside of batches
	key     []byte // at hand; nil: there is none
	store   *store
	row     int // of store.places: the current record's entries; -1: none were fetched ahead
	err     error
}

// Emit gives a record to the first output. It is copied. An error (a key too long)
// ends the call of the operator as failed.
func (c *Context) Emit(r *Record) { c.first.Emit(r) }

// Out is an output by its index in Operator.Outputs.
func (c *Context) Out(index int) *Output {
	if uint(index) >= uint(len(c.outputs)) {
		return &c.none
	}
	return &c.outputs[index]
}

// Input is the index, in Operator.Inputs, of the input that the current record came from.
func (c *Context) Input() int { return c.input }

// Reject gives the current record up as bad and says why. The job file decides
// whether that fails the job, skips the record or sends it elsewhere. It returns nil,
// so that an operator may say: return c.Reject("no JSON").
func (c *Context) Reject(reason string) error {
	if c.index < 0 {
		c.fail(failure("there is no record to reject outside of Process"))
		return nil
	}
	c.host.Reject(c.index, reason)
	return nil
}

// Now is the time in ms since 1970. It stands still within a batch.
func (c *Context) Now() int64 { return c.host.Now() }

// Log writes a line to the log of the job. Lines on stdout and stderr go there, too.
func (c *Context) Log(level Level, line string) { c.host.Log(int32(level), line) }

// Count adds to a counter. Names of metrics are a-z, 0-9, _ and . from a letter on;
// values are finite.
func (c *Context) Count(name string, n float64) { c.host.Metric(metricCounter, name, n) }

// Gauge sets a gauge.
func (c *Context) Gauge(name string, value float64) { c.host.Metric(metricGauge, name, value) }

// Observe records a value in a histogram.
func (c *Context) Observe(name string, value float64) { c.host.Metric(metricHistogram, name, value) }

// Kinds of metrics.
const (
	metricCounter = iota
	metricGauge
	metricHistogram
)

// fail keeps the first error; the current call ends with it.
func (c *Context) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// Host is what surrounds an instance: the engine, or a test. The functions are the
// imports of sdk/abi.md.
type Host interface {
	Emit(output int, batch []byte)
	EmitTo(output, partition int, batch []byte)
	Reject(index int, reason string)
	Now() int64
	Log(level int32, line string)
	Metric(kind int32, name string, value float64)
	Fail(message string)
	State(request, out []byte) int64
	TimerSet(domain int32, at int64, key, tag []byte)
	TimerDelete(domain int32, at int64, key, tag []byte)
	Watermark() int64
	Reply(b []byte)
}
