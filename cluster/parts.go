package cluster

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/wasmill/wasmill/runtime/fault"
)

// A message that is larger than what NATS carries by default goes in parts:
//
//	part = "P"   sender [16]   u64 message   u32 index   u32 count   bytes of the message
//
// Little-endian. Sender is random, one for each connection, whose messages count from
// 1; the parts of a message follow one another.
const (
	partMark   = 'P'
	partHeader = 1 + 16 + 8 + 4 + 4
	// maxPart is the most bytes of a message in a part: with its header it fits NATS'
	// default payload.
	maxPart = 1<<20 - partHeader
)

// splitter cuts the messages of one connection.
type splitter struct {
	sender [16]byte
	last   uint64
}

func newSplitter() *splitter {
	s := &splitter{}
	// Read never fails: it ends the program if the system has no randomness.
	_, _ = rand.Read(s.sender[:])
	return s
}

// split gives what is to be published for a message: the message, or its parts.
func (s *splitter) split(data []byte) (messages [][]byte) {
	if len(data) <= maxPart {
		return [][]byte{data}
	}
	s.last++
	count := (len(data) + maxPart - 1) / maxPart
	for i := range count {
		piece := data[i*maxPart : min(len(data), (i+1)*maxPart)]
		b := append(make([]byte, 0, partHeader+len(piece)), partMark)
		b = append(b, s.sender[:]...)
		b = binary.LittleEndian.AppendUint64(b, s.last)
		b = binary.LittleEndian.AppendUint32(b, uint32(i))
		b = binary.LittleEndian.AppendUint32(b, uint32(count))
		messages = append(messages, append(b, piece...))
	}
	return messages
}

// joiner puts the parts of messages together again, for one receiver.
type joiner struct {
	begun map[[16]byte]*begunMessage
}

type begunMessage struct {
	number      uint64
	next, count uint32
	data        []byte
}

// join takes what was published; it returns a message once all of it is there.
func (j *joiner) join(b []byte) (message []byte, err error) {
	if len(b) == 0 || b[0] != partMark {
		return b, nil
	}
	if len(b) <= partHeader || len(b) > partHeader+maxPart {
		return nil, fault.Corruptf("part of a message: %d bytes", len(b))
	}
	sender := [16]byte(b[1:])
	number, index, count := binary.LittleEndian.Uint64(b[17:]), binary.LittleEndian.Uint32(b[25:]), binary.LittleEndian.Uint32(b[29:])
	if count < 2 || count > MaxMessage/maxPart+1 || index >= count {
		return nil, fault.Corruptf("part of a message: number %d of %d", index, count)
	}
	m := j.begun[sender]
	if index == 0 && m == nil {
		m = &begunMessage{number: number, count: count}
		if j.begun == nil {
			j.begun = map[[16]byte]*begunMessage{}
		}
		j.begun[sender] = m
	}
	if m == nil || m.number != number || m.count != count || m.next != index {
		return nil, fault.Transientf("parts of a message are missing before number %d of %d", index, count)
	}
	m.next++
	m.data = append(m.data, b[partHeader:]...)
	if m.next < count {
		return nil, nil
	}
	delete(j.begun, sender)
	if len(m.data) > MaxMessage {
		return nil, fault.Corruptf("message of %d bytes", len(m.data))
	}
	return m.data, nil
}

// tooLarge refuses a message that nobody would take.
func tooLarge(kind string, bytes int) error {
	return fmt.Errorf("encode %s message: %d bytes, at most %d are possible", kind, bytes, MaxMessage)
}
