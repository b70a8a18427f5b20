package connector

import "github.com/wasmill/wasmill/runtime/record"

// lines is what a sink has encoded and not written yet.
type lines struct {
	encode encode
	text   []byte
	cursor record.Cursor // of the batch being written; here, so that it is not allocated for each
}

// write adds the records of a batch, and flushes whenever there are most bytes or more.
func (l *lines) write(batch []byte, most int, flush func() error) error {
	l.cursor = *record.NewCursor(batch)
	for l.cursor.Next() {
		if l.text = l.encode(l.text, &l.cursor.Record); len(l.text) >= most {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// reset empties the buffer, and lets go of one larger than keep.
func (l *lines) reset(keep int) {
	if l.text = l.text[:0]; cap(l.text) > keep {
		l.text = nil
	}
}
