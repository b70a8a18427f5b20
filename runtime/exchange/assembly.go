package exchange

import (
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/record"
)

// assembly puts a record together from its fragments, which stand next to each other
// in their channel.
type assembly struct {
	record []byte
	total  int64 // 0: none is begun
}

// add takes a fragment of a record of total bytes. With the last one it gives the
// record, a batch of its own, and is ready for the next.
func (a *assembly) add(total int64, payload []byte) (batch []byte, err error) {
	if a.total == 0 {
		if total <= 0 || total > record.MaxSize {
			return nil, fault.Corruptf("fragment of a record of %d bytes, at most %d are allowed", total, record.MaxSize)
		}
		a.total, a.record = total, make([]byte, 0, total)
	}
	if total != a.total || int64(len(a.record)+len(payload)) > total {
		return nil, fault.Corruptf("fragment of %d bytes for a record of %d does not continue %d of %d", len(payload), total, len(a.record), a.total)
	}
	a.record = append(a.record, payload...)
	if int64(len(a.record)) < total {
		return nil, nil
	}
	batch = a.record
	*a = assembly{}
	if n, err := record.Validate(batch); err != nil {
		return nil, err
	} else if n != 1 {
		return nil, fault.Corruptf("fragments make up %d records, not one", n)
	}
	return batch, nil
}

// begun reports whether fragments of a record are missing.
func (a *assembly) begun() bool { return a.total != 0 }
