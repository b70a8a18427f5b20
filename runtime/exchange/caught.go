package exchange

import "slices"

// Caught is an element that a barrier has overtaken: it belongs to the checkpoint of the
// barrier, as in flight (D2). Batches are whole, and those of the taker; barriers, aborts
// and ends are not caught.
type Caught struct {
	Channel Channel
	Kind    Kind // Data, Watermark, Idle or Active
	Value   int64
	Batch   []byte
}

// standing is what the controls of a channel have said last. Who restores what was
// caught knows nothing of them, so it goes ahead.
type standing struct {
	watermark int64
	known     bool // there was a watermark
	idle      bool
}

func (s *standing) note(e *Element) {
	switch e.Kind {
	case Watermark:
		s.watermark, s.known, s.idle = e.Value, true, false
	case Idle, Active:
		s.idle = e.Kind == Idle
	}
}

// catcher copies elements of one channel.
type catcher struct {
	channel  Channel
	standing standing // before the first element
	caught   []Caught
	record   []byte // of one that comes in fragments, so far
}

func (c *catcher) add(e *Element) {
	switch e.Kind {
	case Data:
		batch := e.Batch
		if e.buffer != nil {
			batch = slices.Clone(batch) // the buffer is used again
		}
		c.put(Data, 0, batch)
	case Fragment:
		if c.record = append(c.record, e.Batch...); int64(len(c.record)) >= e.Value {
			c.put(Data, 0, c.record)
			c.record = nil
		}
	case Watermark, Idle, Active:
		c.put(e.Kind, e.Value, nil)
	}
}

func (c *catcher) put(kind Kind, value int64, batch []byte) {
	if len(c.caught) == 0 {
		if c.standing.known {
			c.caught = append(c.caught, Caught{Channel: c.channel, Kind: Watermark, Value: c.standing.watermark})
		}
		if c.standing.idle {
			c.caught = append(c.caught, Caught{Channel: c.channel, Kind: Idle})
		}
	}
	c.caught = append(c.caught, Caught{Channel: c.channel, Kind: kind, Value: value, Batch: batch})
}

// all is what was caught. Controls behind the last batch are left out: after a restore
// the sender repeats its watermark, and whether it is idle.
func (c *catcher) all() []Caught {
	n := len(c.caught)
	for n > 0 && c.caught[n-1].Kind != Data {
		n--
	}
	all, idle := c.caught[:n], false
	for _, e := range all {
		switch e.Kind {
		case Idle:
			idle = true
		case Active, Watermark:
			idle = false
		}
	}
	if idle {
		all = append(all, Caught{Channel: c.channel, Kind: Active})
	}
	return all
}
