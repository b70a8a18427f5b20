package connector

import (
	"io"
	"strconv"

	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// feed makes records of what a scanner finds: a line each, or a csv row each. What it
// can't make a record of it rejects, and goes on behind it.
type feed struct {
	scan  scanner
	dec   *decoder
	place string // of the input; a rejection adds the line
}

// poll begins a poll.
func (f *feed) poll() {
	f.scan.poll()
	f.dec.poll()
}

// read adds records to out until there are `most` or a batch is full; it returns how
// many it met, rejected ones included. The error says why it stopped early: io.EOF,
// errNotYet, errLater, or a failure.
func (f *feed) read(out *record.Builder, most int, c operator.Collector) (met int, err error) {
	s := &f.scan
	for met < most && out.Len() < batchBytes {
		if s.skipped > 0 {
			err = errOversize
		} else {
			var n int
			if n, err = s.peek(0); err == nil {
				if err = f.row(n, out, c); err == nil {
					met++
					continue
				}
			}
		}
		if err != errOversize {
			return met, err
		}
		if err = s.skip(); err != nil {
			return met, err
		}
		if err = f.reject(c, s.head, s.line, s.oversize()); err != nil {
			return met, err
		}
		met++
	}
	return met, nil
}

// row decodes the row that begins with the line of n bytes, and takes it.
func (f *feed) row(n int, out *record.Builder, c operator.Collector) error {
	s := &f.scan
	lines, first := int64(1), n
	if f.dec.Decode == "csv" {
		var err error
		if n, lines, err = f.csvRow(n); err != nil {
			return err
		}
	}
	reason, err := f.dec.decode(out, s.text(n))
	if err != nil {
		return placed(f.at(s.line+1), "", err)
	}
	if reason == "" {
		s.take(n, lines)
		return nil
	}
	if f.dec.badQuotes {
		n, lines = first, 1 // the next line may well be sound
	}
	bad, line := s.text(n), s.line+1
	s.take(n, lines)
	return f.reject(c, bad, line, reason)
}

// csvRow extends the line of n bytes to the row it begins: while a quote is open, the
// next line is part of it. When it would be too long or the input ends first, the
// line stands alone, and the decoder finds the open quote.
func (f *feed) csvRow(n int) (end int, lines int64, err error) {
	s := &f.scan
	end, lines = n, 1
	for open := oddQuotes(s.buf[s.from : s.from+n]); open; lines++ {
		next, err := s.peek(end)
		if err != nil {
			if err == io.EOF || err == errOversize {
				return n, 1, nil
			}
			return 0, 0, err
		}
		open = open != oddQuotes(s.buf[s.from+end:s.from+next])
		end = next
	}
	return end, lines, nil
}

func (f *feed) reject(c operator.Collector, value []byte, line int64, reason string) error {
	return c.Reject(operator.Rejection{
		Record: record.Record{Kind: record.KeyAbsent, Timestamp: record.NoTimestamp, Value: value},
		Place:  f.at(line),
		Reason: reason,
	})
}

func (f *feed) at(line int64) string { return f.place + ":" + strconv.FormatInt(line, 10) }
