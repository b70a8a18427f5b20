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

// entry is the one at a place of the block: the lengths of key and subkey, and both.
func (b *deadBlock) entry(at int) (lens uint32, names []byte) {
	lens = binary.NativeEndian.Uint32(b.bytes[at+4:])
	return lens, b.bytes[at+8:][:lens&0xffff+lens>>16]
}

// deadIndex says where in some blocks the entries of each part are.
type deadIndex struct {
	places []deadPlace // by part
	ends   []uint32    // of a part's among places, by its number
}

type deadPlace struct{ block, at uint32 }

func (x *deadIndex) of(part uint32) []deadPlace {
	if part == 0 {
		return x.places[:x.ends[0]]
	}
	return x.places[x.ends[part-1]:x.ends[part]]
}

// indexDead counts what each of so many parts has, then deals it out. It rests behind each
// block.
func indexDead(blocks []deadBlock, parts int, rest func()) *deadIndex {
	x := &deadIndex{ends: make([]uint32, parts+1)}
	each := func(do func(part uint32, at deadPlace)) {
		for i := range blocks {
			for at := 0; at < len(blocks[i].bytes); {
				do(binary.NativeEndian.Uint32(blocks[i].bytes[at:]), deadPlace{uint32(i), uint32(at)})
				_, names := blocks[i].entry(at)
				at += 8 + len(names)
			}
			rest()
		}
	}
	each(func(part uint32, _ deadPlace) { x.ends[part+1]++ })
	for p := range parts {
		x.ends[p+1] += x.ends[p]
	}
	x.places = make([]deadPlace, x.ends[parts])
	// The beginning of each part moves to its end.
	each(func(part uint32, at deadPlace) {
		x.places[x.ends[part]] = at
		x.ends[part]++
	})
	return x
}
