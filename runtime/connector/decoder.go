package connector

import (
	"time"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/record"
)

// Decoder takes key and timestamp of records from their values as the job file says: for
// sources that are not in the catalog. Their values are decoded already: what would be a
// csv row is JSON.
type Decoder struct{ d *decoder }

// NewDecoder makes a decoder for one input.
func NewDecoder(f graph.Format) *Decoder {
	if f.Decode == "csv" {
		f.Decode = "json"
	}
	return &Decoder{newDecoder(f)}
}

// Add adds a record that arrives at a time to out. Its key and timestamp are its own where
// the job takes none from the value. A reason says that the record is bad.
func (d *Decoder) Add(out *record.Builder, r record.Record, arrival time.Time) (reason string) {
	d.d.now = arrival.UnixMilli()
	if r.Kind&record.ValueNull != 0 { // it has no fields
		out.Append(r.Kind, d.d.stamped(r.Timestamp), r.Key, nil)
		return ""
	}
	if d.d.checked() {
		if reason = invalidJSON(r.Value); reason != "" {
			return reason
		}
	}
	d.d.change = r.Kind.Change()
	return d.d.add(out, r.Timestamp, r.Key, r.Value)
}
