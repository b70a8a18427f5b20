package graph

import "time"

// Mode is what a checkpoint promises.
type Mode string

// The modes.
const (
	ExactlyOnce Mode = "exactly-once"  // a record is in a checkpoint once
	AtLeastOnce Mode = "at-least-once" // nobody waits for barriers: after a restart some records come again
)

// Checkpointing is when checkpoints are taken and what becomes of them. Whatever it
// says, a job that comes to its end takes a final one. The zero value takes no other.
type Checkpointing struct {
	Interval          time.Duration `json:"interval"` // from the start of one to that of the next; 0: only the final one
	Mode              Mode          `json:"mode"`
	Timeout           time.Duration `json:"timeout"`           // one that takes longer is given up; 0: never
	MinPause          time.Duration `json:"minPause"`          // from the end of one to the start of the next
	MaxConcurrent     int           `json:"maxConcurrent"`     // how many may be under way at once
	TolerableFailures int           `json:"tolerableFailures"` // in a row; one more fails the attempt
	// Unaligned says that a barrier overtakes records when a task has waited
	// UnalignedAfter for its other inputs; 0 is at once. Only with ExactlyOnce.
	Unaligned      bool          `json:"unaligned,omitempty"`
	UnalignedAfter time.Duration `json:"unalignedAfter,omitempty"`
	Retain         Retain        `json:"retain"`
	// Store is an absolute path or s3://bucket/prefix; "": the configured one.
	Store string `json:"store,omitempty"`
}

// Retain is which checkpoints are kept.
type Retain struct {
	Count     int     `json:"count"` // the newest that are complete
	OnCancel  Keeping `json:"onCancel"`
	OnFailure Keeping `json:"onFailure"`
}

// Keeping is what becomes of a job's checkpoints when it ends early.
type Keeping string

// What can become of them.
const (
	Keep   Keeping = "keep"
	Delete Keeping = "delete"
)

// Strategy is how a job goes on after a failure.
type Strategy string

// The strategies, as in Flink.
const (
	RestartNone        Strategy = "none"        // it does not
	RestartFixed       Strategy = "fixed"       // after Delay, Attempts times
	RestartRate        Strategy = "rate"        // after Delay, unless more than Failures came within Per
	RestartExponential Strategy = "exponential" // after Initial, then twice as long each time up to Max
)

// Unlimited attempts of a Restart.
const Unlimited = -1

// Restart is how a job goes on after a failure; the zero value is none.
type Restart struct {
	Kind       Strategy      `json:"kind"`
	Attempts   int           `json:"attempts,omitempty"`   // fixed, exponential; Unlimited is below zero
	Delay      time.Duration `json:"delay,omitempty"`      // fixed, rate
	Failures   int           `json:"failures,omitempty"`   // rate
	Per        time.Duration `json:"per,omitempty"`        // rate
	Initial    time.Duration `json:"initial,omitempty"`    // exponential
	Max        time.Duration `json:"max,omitempty"`        // exponential
	ResetAfter time.Duration `json:"resetAfter,omitempty"` // exponential: so long without a failure starts anew
}

// Restarts reports whether a failed attempt may be followed by another.
func (r Restart) Restarts() bool { return r.Kind != "" && r.Kind != RestartNone }
