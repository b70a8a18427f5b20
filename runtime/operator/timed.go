package operator

// Timed is a function with a sense of time and of checkpoints. A task calls it so when
// the watermark advances to W: Timers with those due at W or before, the earliest of
// each key first, again until none is due; Watermark(W); Flush; then W goes on.
type Timed interface {
	Function
	// Timers takes due timers as a batch: key; value = tag; timestamp = due; kind = the
	// domain, a TimeDomain.
	Timers(batch []byte) error
	// Watermark says that no record with a timestamp at or below ts (ms) comes any more.
	Watermark(ts int64) error
	// Barrier comes before the state is snapshotted: what is cached is written back.
	Barrier(checkpoint uint64) error
}

// TimeDomain is what a timer waits for.
type TimeDomain uint8

// The domains.
const (
	EventTime      TimeDomain = 0 // the watermark
	ProcessingTime TimeDomain = 1 // the clock
)

// Aggregator folds the records of windows into accumulators: a guest of shape
// aggregate. Groups and replies are as in sdk/abi.md; a reply is readable until the
// next call.
type Aggregator interface {
	// Accumulate folds records into the accumulator of each group.
	Accumulate(groups []byte) (replies []byte, err error)
	// Merge makes one accumulator of several.
	Merge(groups []byte) (replies []byte, err error)
	// Finish emits the result of each group.
	Finish(groups []byte) error
	Flush() error
	End() error
	Close() error
}

// Applier takes all records of closed windows: a guest of shape apply.
type Applier interface {
	// Apply takes the records of each group, input by input, and emits.
	Apply(groups []byte) error
	Flush() error
	End() error
	Close() error
}
