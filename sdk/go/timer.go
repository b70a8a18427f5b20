package wasmill

// Domain is what a timer waits for.
type Domain int32

// The domains.
const (
	EventTime      Domain = 0 // the watermark
	ProcessingTime Domain = 1 // the clock
)

// Timer is a timer of a key that is due.
type Timer struct {
	Domain Domain
	At     int64 // ms since 1970 that it was set for
	Key    []byte
	Tag    []byte
}

// SetTimer sets a timer of the key at hand; Operator.Timer is called when it is due, at
// once if it is already. The same domain, time and tag twice is one timer.
func (c *Context) SetTimer(domain Domain, at int64, tag []byte) {
	if c.key == nil {
		c.fail(failure("there is no key at hand for a timer"))
		return
	}
	c.host.TimerSet(int32(domain), at, c.key, tag)
}

// DeleteTimer removes a timer of the key at hand, if it is set.
func (c *Context) DeleteTimer(domain Domain, at int64, tag []byte) {
	if c.key == nil {
		c.fail(failure("there is no key at hand for a timer"))
		return
	}
	c.host.TimerDelete(int32(domain), at, c.key, tag)
}

// Watermark is how far event time is, in ms since 1970; NoTimestamp before the first.
func (c *Context) Watermark() int64 { return c.host.Watermark() }

// Timers delivers a batch of timers.
func (i *Instance) Timers(batch []byte) int32 {
	c := &i.context
	c.index = -1
	if i.op.Timer == nil {
		return i.finish(statusOK, failure("there are timers, and the operator takes none"))
	}
	for at := 0; at < len(batch) && c.err == nil; {
		size := i.record.decode(batch, at)
		if size == 0 {
			return i.finish(statusOK, failure("timers are malformed"))
		}
		at += size
		c.key = i.record.Key
		// The kind of a timer is its domain; it reads like a change.
		t := Timer{Domain: Domain(i.record.Change), At: i.record.Timestamp, Key: i.record.Key, Tag: i.record.Value}
		if err := i.op.Timer(c, &t); err != nil {
			c.fail(err)
		}
	}
	return i.finish(statusOK, nil)
}

// Watermark tells the operator that event time has advanced.
func (i *Instance) Watermark(ts int64) int32 {
	if i.op.Watermark == nil {
		return statusOK
	}
	return i.finish(statusOK, i.op.Watermark(&i.context, ts))
}

// Barrier tells the operator that a snapshot comes.
func (i *Instance) Barrier(checkpoint int64) int32 {
	if i.op.Barrier == nil {
		return statusOK
	}
	return i.finish(statusOK, i.op.Barrier(&i.context, checkpoint))
}
