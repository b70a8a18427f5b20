package state

import "bytes"

// SealedRun is a run of one block with that payload, under right checksums.
func SealedRun(payload []byte, entries int) []byte {
	var b bytes.Buffer
	w := newRunWriter(&b, []Table{{Name: "t", Scope: ScopeKey}}, 1, 0)
	w.block = append(w.block, payload...)
	w.write(blockOf{kind: blockData, flags: flagLastOfGroup, entries: entries})
	_, _ = w.close()
	return b.Bytes()
}
