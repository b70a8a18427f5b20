package exchange

import "github.com/wasmill/wasmill/runtime/fault"

// receiver is the receiving end of a channel: it accepts frames in order and within
// credit (D1), and decides when to grant more.
type receiver struct {
	window   uint64 // bytes that may be under way
	sequence uint64 // of the last frame accepted
	received uint64 // bytes of credit the sender used
	consumed uint64 // of these, what was released
	limit    uint64 // what the sender was told last
}

// accept takes the next frame of the channel or says what is wrong with it.
func (r *receiver) accept(sequence, cost uint64) error {
	due := r.sequence + 1
	if sequence > due {
		return fault.Transientf("frame %d came where %d was due: %d lost or overtaken", sequence, due, sequence-due)
	}
	if sequence < due {
		return fault.Transientf("frame %d came again or late, %d was due", sequence, due)
	}
	if cost > 0 && r.received+cost > r.limit {
		return fault.Corruptf("frame %d passes its credit: %d bytes of %d were used, it takes %d", sequence, r.received, r.limit, cost)
	}
	r.sequence = sequence
	r.received += cost
	return nil
}

// probed compares what the sender has sent with what came. An old probe says nothing.
func (r *receiver) probed(next uint64) error {
	if due := r.sequence + 1; next > due {
		return fault.Transientf("sender is at frame %d, here %d was due: %d lost", next, due, next-due)
	}
	return nil
}

// consume notes that bytes were used up.
func (r *receiver) consume(cost uint64) { r.consumed += cost }

// grant says whether to tell the sender a new limit: when a quarter of the window is
// to be given, so that credits are few, or when the channel is empty and the sender
// could be kept from sending a whole frame, so that it never stands still.
func (r *receiver) grant() (limit uint64, due bool) {
	target := r.consumed + r.window
	empty := r.consumed == r.received
	if target-r.limit >= r.window/4 || empty && target > r.limit && r.limit-r.received < maxCost {
		r.limit = target
		return target, true
	}
	return 0, false
}
