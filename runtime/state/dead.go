package state

import "encoding/binary"

// deadLog lists the entries that are gone and may still be in a checkpoint, in blocks of
// one epoch. A block of a past epoch never changes again: snapshots read it while the
// owner goes on.
type deadLog struct {
	blocks []deadBlock
	bytes  int64
}

// deadBlock is a run of: u32 part, u16 length of the key, u16 of the subkey, both.
type deadBlock struct {
	epoch uint32
	bytes []byte
}

const deadBlockSize = 64 << 10

func (l *deadLog) add(epoch, part uint32, key, subkey []byte) {
	last := len(l.blocks) - 1
	if last < 0 || l.blocks[last].epoch != epoch || len(l.blocks[last].bytes) > deadBlockSize {
		l.blocks = append(l.blocks, deadBlock{epoch: epoch})
		last++
	}
	b := l.blocks[last].bytes
	b = binary.NativeEndian.AppendUint32(b, part)
	b = binary.NativeEndian.AppendUint32(b, lensOf(key, subkey))
	b = append(append(b, key...), subkey...)
	l.bytes += int64(len(b) - len(l.blocks[last].bytes))
	l.blocks[last].bytes = b
}

// between lists what went after one epoch and up to another.
func (l *deadLog) between(after, upTo uint32) (blocks []deadBlock) {
	for _, b := range l.blocks {
		if b.epoch > after && b.epoch <= upTo {
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// forget drops what went up to an epoch.
func (l *deadLog) forget(upTo uint32) {
	keep := l.blocks[:0]
	l.bytes = 0
	for _, b := range l.blocks {
		if b.epoch > upTo {
			keep = append(keep, b)
			l.bytes += int64(len(b.bytes))
		}
	}
	clear(l.blocks[len(keep):])
	l.blocks = keep
}

// entry reads the entry at a place of the block and moves on; it has the form of one in
// memory, without flags and value.
func (b *deadBlock) entry(at *int, m *Memory) (part uint32, entry []byte) {
	part = binary.NativeEndian.Uint32(b.bytes[*at:])
	lens := binary.NativeEndian.Uint32(b.bytes[*at+4:])
	names := b.bytes[*at+8:][:lens&0xffff+lens>>16]
	*at += 8 + len(names)
	entry = make([]byte, m.parts[part].Load().head, maxEntryHead+len(names))
	binary.NativeEndian.PutUint32(entry[entryLens:], lens)
	return part, append(entry, names...)
}
