package graph

import "time"

// Limits of what a job file can say.
const (
	DefaultMaxParallelism = 128
	// MaxParallelism is the most key groups a job can have, as in Flink.
	MaxParallelism       = 32768
	DefaultBufferTimeout = 10 * time.Millisecond
	maxBufferTimeout     = time.Minute
)

// Options are what a job file is read with, beside its text. The zero value reads a
// file as it stands, with no environment.
type Options struct {
	// WorkDir is where relative paths of Set start, and the file's own if that is
	// relative. It is absolute; "" is "/".
	WorkDir string
	// Lookup finds the variables of ${VAR}; nil finds none. os.LookupEnv is one.
	Lookup func(name string) (string, bool)
	// Set are overrides, "operators.in.with.path=data.csv", in order.
	Set []string
	// Parallelism overrides the job's own if it is not 0. Operators that name theirs
	// keep it.
	Parallelism int
	// DefaultParallelism holds for jobs that name none; 0 is 1.
	DefaultParallelism int
}

// Job is a job file that was read but not yet checked against modules and connectors.
type Job struct {
	File           string
	Namespace      string
	Name           string
	Parallelism    int // of operators that name none
	MaxParallelism int
	BufferTimeout  time.Duration
	Checkpoint     Checkpointing
	Restart        Restart // RestartNone if the file says nothing and takes no checkpoints

	restartV *value
	vertices []*vertex // in the order of the file
	findings findings
	options  Options
	dir      string // of the file, absolute
}

// vertex is an operator of a job file. Values are kept where Build may find something
// wrong with them.
type vertex struct {
	name  string
	at    *value
	role  Role
	what  string // connector, or absolute path of the module
	whatV *value

	parallelism  int
	parallelismV *value // nil: the job's
	with         *value
	config       *value
	decode       *value
	encode       *value
	timestamp    *value
	key          *value
	format       Format
	env          map[string]string
	inputs       []input
	inputsV      *value
	limits       Limits
	watermark    *Watermark
	watermarkV   *value
	window       *Window
	windowV      *value
	state        State // Tables are Build's
	stateV       *value
	stateLimitV  *value
	tablesV      *value
	heapV        *value
	cacheV       *value
	reject       RejectPolicy
	rejectTo     string
	rejectV      *value

	// Build fills these in.
	settings []byte
	module   *Module
	takes    []string // inputs
	gives    []string // outputs
	own      int      // of gives, how many are the operator's own, not the engine's
	known    bool     // takes and gives are right
	keepsKey bool     // the module does
	feeds    []feed   // inputs that somebody gives
	endless  bool     // a source that does not end by itself
	twoPhase bool     // a sink whose output appears with checkpoints
}

// input is an entry of `inputs`.
type input struct {
	from   string // operator
	output string // "": the first
	as     string // "": the only one
	by     Partition
	first  bool
	v      *value // the whole entry
	fromV  *value
	asV    *value
	byV    *value
	firstV *value
}

// feed is an input and who gives it.
type feed struct {
	from   *vertex
	output int // of from
	in     input
}

// port names an output of an operator as inputs do.
type port struct{ operator, output string }
