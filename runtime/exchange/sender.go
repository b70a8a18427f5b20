package exchange

// Costs, in bytes of credit. Both ends reckon the same way.
const (
	// minCost is the least a frame takes, so that credit bounds the number of frames
	// and of the buffers they lie in, too.
	minCost = 4 << 10
	// maxCost is the most a frame takes. A channel starts with the right to send this
	// much, and no receiver grants less.
	maxCost = headerSize + MaxFrameSize
)

// frameCost is what a frame takes of its channel's credit.
func frameCost(payloadLen int) uint64 { return max(minCost, uint64(headerSize+payloadLen)) }

// localCost is what a batch takes of a local channel's credit: of a batch of any size
// one is always grantable.
func localCost(batchLen int, window uint64) uint64 {
	return min(frameCost(batchLen), window-window/4)
}

// sender is the sending end of a channel: it numbers frames and stays within what the
// receiver granted. The limit is absolute, so that a credit that comes twice, late or
// out of order does no harm.
type sender struct {
	sequence uint64 // of the last frame sent
	sent     uint64 // bytes of credit used since the start
	limit    uint64 // bytes of credit granted since the start
}

// fits reports whether credit allows to send this much; controls cost nothing.
func (s *sender) fits(cost uint64) bool { return cost == 0 || s.sent+cost <= s.limit }

// send takes the credit and numbers the frame.
func (s *sender) send(cost uint64) (sequence uint64) {
	s.sent += cost
	s.sequence++
	return s.sequence
}

// grant takes over a limit the receiver told.
func (s *sender) grant(limit uint64) { s.limit = max(s.limit, limit) }
