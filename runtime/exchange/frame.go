package exchange

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/id"
)

// A frame is one NATS message (little-endian, no padding):
//
//	u32 magic "WMFR"  u8 version 1  u8 kind  u16 0  u64 term  u32 attempt
//	u32 edge  u32 from  u32 to  u64 sequence  i64 value  u32 payloadLen  u32 checksum  payload
//
// The checksum is CRC-32C of everything else, in order.
const (
	frameMagic   = 'W' | 'M'<<8 | 'F'<<16 | 'R'<<24
	frameVersion = 1
	headerSize   = 56
	checksumAt   = 52
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is all of a frame but its payload.
type header struct {
	Kind     Kind
	Attempt  id.Attempt
	Channel  Channel
	Sequence uint64 // of the frame in its channel, from 1; 0 in a credit
	Value    int64
}

// sealFrame writes the header of a frame whose payload stands behind it already.
func sealFrame(frame []byte, h *header) {
	le := binary.LittleEndian
	_ = frame[headerSize-1]
	le.PutUint32(frame[0:], frameMagic)
	frame[4], frame[5], frame[6], frame[7] = frameVersion, byte(h.Kind), 0, 0
	le.PutUint64(frame[8:], h.Attempt.Term)
	le.PutUint32(frame[16:], h.Attempt.Number)
	le.PutUint32(frame[20:], uint32(h.Channel.Edge))
	le.PutUint32(frame[24:], uint32(h.Channel.From))
	le.PutUint32(frame[28:], uint32(h.Channel.To))
	le.PutUint64(frame[32:], h.Sequence)
	le.PutUint64(frame[40:], uint64(h.Value))
	le.PutUint32(frame[48:], uint32(len(frame)-headerSize))
	le.PutUint32(frame[checksumAt:], frameChecksum(frame))
}

func frameChecksum(frame []byte) uint32 {
	sum := crc32.Update(0, castagnoli, frame[:checksumAt])
	return crc32.Update(sum, castagnoli, frame[headerSize:])
}

// openFrame checks a message and gives its parts; the payload aliases it. The error
// is a corruption.
func openFrame(message []byte) (h header, payload []byte, err error) {
	if len(message) < headerSize {
		return h, nil, fault.Corruptf("frame of %d bytes, a header takes %d", len(message), headerSize)
	}
	le := binary.LittleEndian
	if magic := le.Uint32(message); magic != frameMagic {
		return h, nil, fault.Corruptf("frame begins with %#08x, not with the magic", magic)
	}
	if message[4] != frameVersion {
		return h, nil, fault.Corruptf("frame of version %d, this is %d", message[4], frameVersion)
	}
	if found, want := frameChecksum(message), le.Uint32(message[checksumAt:]); found != want {
		return h, nil, fault.Corruptf("frame checksum is %#08x, should be %#08x", found, want)
	}
	payload = message[headerSize:]
	h = header{
		Kind:     Kind(message[5]),
		Attempt:  id.Attempt{Term: le.Uint64(message[8:]), Number: le.Uint32(message[16:])},
		Channel:  Channel{Edge: int(le.Uint32(message[20:])), From: int(le.Uint32(message[24:])), To: int(le.Uint32(message[28:]))},
		Sequence: le.Uint64(message[32:]),
		Value:    int64(le.Uint64(message[40:])),
	}
	return h, payload, h.check(message, len(payload))
}

// check refuses what a sound sender never writes.
func (h *header) check(message []byte, payloadLen int) error {
	if stated := binary.LittleEndian.Uint32(message[48:]); int64(stated) != int64(payloadLen) {
		return fault.Corruptf("frame states a payload of %d bytes and has %d", stated, payloadLen)
	}
	if message[6] != 0 || message[7] != 0 {
		return fault.Corruptf("frame has unknown flags %#02x%02x", message[7], message[6])
	}
	if _, known := kindNames[h.Kind]; !known {
		return fault.Corruptf("frame of unknown %s", h.Kind)
	}
	if payloadLen > MaxFrameSize {
		return fault.Corruptf("frame of %d bytes, at most %d are allowed", payloadLen, MaxFrameSize)
	}
	if h.Kind.carriesBytes() != (payloadLen > 0) {
		return fault.Corruptf("%s frame has %d bytes of payload", h.Kind, payloadLen)
	}
	return nil
}
