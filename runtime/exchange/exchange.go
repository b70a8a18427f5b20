// Package exchange carries batches and control elements between subtasks: over
// queues within a worker, over core NATS between workers, behind one surface. It
// keeps every channel in order and without gaps, or fails the attempt with the cause
// (D1), and it keeps memory bounded by credit.
//
// It does not know what records, watermarks and barriers mean, never waits, and owns
// no goroutine but those of the NATS client.
//
// Start with Hub. A task reads from an Inbox and writes to a Writer per edge. What
// the ends of a channel tell each other is decided in sender.go and receiver.go,
// which have no clock, goroutine or I/O; frame.go is the wire format, described in
// docs/formats.md.
package exchange

import (
	"fmt"

	"github.com/wasmill/wasmill/runtime/id"
)

// Kind says what an element is. The values are those on the wire.
type Kind uint8

// The kinds of elements. All but Data are controls and pass outside credit, in order
// with the data; Fragment stays inside this package.
const (
	Data      Kind = 1 // Batch is a batch of whole records
	Fragment  Kind = 2 // a piece of a record that is larger than a frame
	Watermark Kind = 3 // Value is event time in ms
	Idle      Kind = 4 // the channel does not hold back the watermark
	Active    Kind = 5 // it does again
	Barrier   Kind = 6 // Value is the checkpoint
	Abort     Kind = 7 // Value is the checkpoint that is given up
	Swap      Kind = 8 // Value is the upgrade that is prepared
	End       Kind = 9 // nothing follows
)

// The kinds of frames that are no elements: the ends of a channel talk by them.
const (
	credit Kind = 64 // receiver to sender: Value is the bytes that may be sent since the start
	probe  Kind = 65 // sender to receiver: Sequence is that of the next frame
)

var kindNames = map[Kind]string{
	Data: "data", Fragment: "fragment", Watermark: "watermark", Idle: "idle", Active: "active",
	Barrier: "barrier", Abort: "abort", Swap: "swap", End: "end", credit: "credit", probe: "probe",
}

func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// carriesBytes tells the kinds that are counted against credit.
func (k Kind) carriesBytes() bool { return k == Data || k == Fragment }

// Element is what a channel carries.
type Element struct {
	Kind  Kind
	Value int64  // of a control; see the kinds
	Batch []byte // of Data: a valid batch, readable until Release

	buffer  *buffer // holds Batch, if it is pooled
	channel int     // index in the inbox
	cost    uint64  // credit to give back
}

// Channel is the ordered link between one sending and one receiving subtask.
type Channel struct {
	Edge int // id of the edge in the plan
	From int // sending subtask
	To   int // receiving subtask
}

func (c Channel) String() string {
	return fmt.Sprintf("edge %d, subtask %d to %d", c.Edge, c.From, c.To)
}

// Sizes, in bytes.
const (
	DefaultCredit    = 2 << 20
	DefaultFrameSize = 32 << 10
	MinFrameSize     = 16 << 10
	MaxFrameSize     = 48 << 10

	// localCredit is all a local channel needs, for nothing has to travel; more only
	// cools the caches.
	localCredit = 256 << 10
)

// Config is what a Hub needs to know. The zero values of Credit and FrameSize mean
// the defaults.
type Config struct {
	Job     id.Job
	Attempt id.Attempt
	// Subject is the prefix of all subjects, the cluster's name included.
	Subject string
	// Conn leads to the other workers; nil when all channels are local.
	Conn *Conn
	// Credit is how many bytes may be under way on a channel over NATS; it gets less
	// when many share the connection. A local channel takes at most localCredit of it.
	Credit int
	// FrameSize is the payload of a full frame, MinFrameSize to MaxFrameSize.
	FrameSize int
}

// Validate says what is wrong with the configuration.
func (c *Config) Validate() error {
	if c.FrameSize != 0 && (c.FrameSize < MinFrameSize || c.FrameSize > MaxFrameSize) {
		return fmt.Errorf("frame size %d is not within %d and %d bytes", c.FrameSize, MinFrameSize, MaxFrameSize)
	}
	if c.Credit != 0 && c.Credit < maxCost {
		return fmt.Errorf("credit of %d bytes is less than a frame takes, %d", c.Credit, maxCost)
	}
	if c.Conn != nil && c.Subject == "" {
		return fmt.Errorf("no subject prefix for channels over NATS")
	}
	return nil
}
