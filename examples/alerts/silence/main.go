// Command silence is an operator: it raises an alert for a key that has no event for an
// hour, or for as long as a rule says. A rule is for one key, from its timestamp on, and
// comes to all subtasks.
//
// Events and rules come in any order; timers bring them into that of their times. A timer
// at the time of an event fires when the watermark has passed it, and with it all rules
// that were made until then have come. So the alerts are the same in every run.
package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/config"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

// rule says how long a key may be silent.
type rule struct {
	Net     string
	Seconds int64
}

// Tags of timers. Of two at the same time the event's comes first: an event at the
// deadline is in time.
var (
	event    = []byte("event")
	deadline = []byte("silent")
)

type operator struct {
	settings struct{ Seconds int64 } // of keys that no rule is for
	// rules holds seconds by key, a zero byte and the time from which on the rule holds.
	rules *wasmill.Map[[]byte, int64]
	// deadlines holds, of a key that may fall silent, when its last event was and the
	// seconds that it had.
	deadlines *wasmill.Value[last]
}

type last struct{ at, seconds int64 }

func (l last) deadline() int64 { return l.at + l.seconds*1000 }

func newOperator() wasmill.Operator {
	o := &operator{
		rules:     &wasmill.Map[[]byte, int64]{Name: "rules", Scope: wasmill.Broadcast, Keys: wasmill.Bytes, Values: wasmill.Int64},
		deadlines: &wasmill.Value[last]{Name: "deadlines", Codec: lastCodec},
	}
	o.settings.Seconds = 3600
	return wasmill.Operator{
		Name:            "silence",
		Version:         "1.0.0",
		Inputs:          []string{"events", "rules"},
		BroadcastInputs: []string{"rules"},
		KeepsKey:        true,
		ConfigSchema: `{"type":"object","additionalProperties":false,"properties":{
			"seconds":{"type":"integer","minimum":1,"default":3600,"description":"how long a key may be silent"}}}`,
		Tables: []wasmill.Table{o.rules, o.deadlines},
		Open:   func(c *wasmill.Context) error { return config.Decode(c, &o.settings) },
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			if c.Input() == 1 {
				return o.learn(c, r)
			}
			return o.await(c, r)
		},
		Timer: o.timer,
	}
}

// learn writes a rule down, in every subtask the same.
func (o *operator) learn(c *wasmill.Context, r *wasmill.Record) error {
	var rule rule
	if err := json.Unmarshal(r.Value, &rule); err != nil || rule.Net == "" || rule.Seconds < 1 || r.Timestamp == wasmill.NoTimestamp {
		return c.Reject(`a rule is like {"net":"ci","seconds":1800}, and has a time`)
	}
	o.rules.Set(c, ruleName(rule.Net, r.Timestamp), rule.Seconds)
	c.Log(wasmill.Info, fmt.Sprintf("rule: %s is silent after %d seconds", rule.Net, rule.Seconds))
	return nil
}

// await sets the timer at which an event is looked at.
func (o *operator) await(c *wasmill.Context, r *wasmill.Record) error {
	switch {
	case r.Key == nil || r.Timestamp == wasmill.NoTimestamp:
		return c.Reject("an event has a key and a time")
	case r.Timestamp <= c.Watermark():
		c.Count("late", 1) // those after it have been looked at already
	default:
		c.SetTimer(wasmill.EventTime, r.Timestamp, event)
	}
	return nil
}

func (o *operator) timer(c *wasmill.Context, t *wasmill.Timer) error {
	before, known := o.deadlines.Get(c)
	if string(t.Tag) == string(deadline) {
		if !known {
			return errors.New("a timer without the event that set it")
		}
		o.deadlines.Clear(c)
		c.Emit(alert(t.Key, before))
		return nil
	}
	if known {
		c.DeleteTimer(wasmill.EventTime, before.deadline(), deadline)
	}
	now := last{at: t.At, seconds: o.limit(c, string(t.Key), t.At)}
	o.deadlines.Set(c, now)
	c.SetTimer(wasmill.EventTime, now.deadline(), deadline)
	return nil
}

// limit is how long a key may be silent after an event: what the newest rule says that
// was made until then.
func (o *operator) limit(c *wasmill.Context, key string, at int64) int64 {
	seconds, newest := o.settings.Seconds, string(ruleName(key, at))
	for name, s := range o.rules.All(c) {
		if strings.HasPrefix(string(name), key+"\x00") && len(name) == len(newest) && string(name) <= newest {
			seconds = s
		}
	}
	return seconds
}

// ruleName sorts the rules of a key by their times.
func ruleName(key string, from int64) []byte {
	return wasmill.Int64.Append([]byte(key+"\x00"), from)
}

func alert(key []byte, l last) *wasmill.Record {
	net, _ := json.Marshal(string(key)) // text can always be marshalled
	row := fmt.Appendf(nil, `{"net":%s,"since":%d,"seconds":%d}`, net, l.at, l.seconds)
	return &wasmill.Record{Timestamp: l.deadline(), Key: key, Value: row}
}

var lastCodec = wasmill.Codec[last]{
	Append: func(b []byte, l last) []byte {
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, uint64(l.at)), uint64(l.seconds))
	},
	Decode: func(b []byte) (last, error) {
		if len(b) != 16 {
			return last{}, errors.New("an entry of deadlines has other than 16 bytes")
		}
		return last{int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))}, nil
	},
}
