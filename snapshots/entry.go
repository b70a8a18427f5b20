package snapshots

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/wasmill/wasmill/runtime/fault"
)

// Entry is an entry of a job's log. Exactly one of the kinds is set.
type Entry struct {
	Number uint64    // its place, from 1; the log gives it
	Term   uint64    // under which it was written; the log gives it
	Writer string    // who wrote it: unique among all that ever write; the log gives it
	Time   time.Time // when it was written; given by whoever acts, so that a second try has the same bytes

	Spec       *Spec
	Checkpoint *Manifest
	Fence      *Fence
	End        *End
	Trim       *Trim

	// Retain, if not nil, are the numbers of the checkpoints that are retained from here
	// on, this one's own included; all others may be deleted (D4).
	Retain *[]uint64
}

// Spec says what the job is from here on.
type Spec struct {
	// Plan is the job, as cluster wants it; opaque here.
	Plan json.RawMessage `json:"plan"`
	// Fresh begins another life of the job: what is before is not restored by itself.
	Fresh bool `json:"fresh,omitempty"`
	// From is what the life begins from, as the user named it: a checkpoint or a
	// savepoint. Empty: from nothing.
	From string `json:"from,omitempty"`
}

// Fence does nothing but occupy a place in the log under a new term (C1).
type Fence struct{}

// End says that the job will not go on by itself.
type End struct {
	Canceled bool   `json:"canceled,omitempty"` // by a user; otherwise finished or failed
	Failure  string `json:"failure,omitempty"`  // why it failed; empty: it did not
}

// Trim repeats what is still true, so that entries before it may be deleted.
type Trim struct {
	Spec        *Spec        `json:"spec,omitempty"`
	Checkpoints []Checkpoint `json:"checkpoints"` // retained, oldest first
	Last        uint64       `json:"last"`        // the highest number of any checkpoint so far
	Began       bool         `json:"began"`       // this life has completed a checkpoint
	End         *End         `json:"end,omitempty"`
	// Below is the first entry that is to be kept: the trim before this one, so that
	// one unreadable trim loses nothing. 0: none may be deleted.
	Below uint64 `json:"below"`
}

// Checkpoint is a complete one.
type Checkpoint struct {
	Manifest
	Entry  uint64 `json:"entry"`            // its number in the log
	Former bool   `json:"former,omitempty"` // of an earlier life of the job
}

const entryVersion = 1

// maxEntry is how large an entry may be, in bytes.
const maxEntry = 256 << 20

// wire is an entry as it is stored: JSON, after a first field "sum" that has the
// xxhash64 of all that follows it.
type wire struct {
	Version uint32          `json:"v"`
	Kind    string          `json:"kind"`
	Term    uint64          `json:"term"`
	Writer  string          `json:"writer"`
	Time    time.Time       `json:"time"`
	Retain  *[]uint64       `json:"retain,omitempty"`
	Body    json.RawMessage `json:"body"`
}

// The kinds. An end is stored as two of them.
const (
	kindSpec       = "spec"
	kindCheckpoint = "checkpoint"
	kindFence      = "fence"
	kindCancel     = "cancel"
	kindFinish     = "finish"
	kindTrim       = "trim"
)

// Kind is the entry's kind as it is stored.
func (e *Entry) Kind() string { kind, _ := e.body(); return kind }

func (e *Entry) body() (kind string, body any) {
	switch {
	case e.Spec != nil:
		return kindSpec, e.Spec
	case e.Checkpoint != nil:
		return kindCheckpoint, e.Checkpoint
	case e.Fence != nil:
		return kindFence, e.Fence
	case e.End != nil && e.End.Canceled:
		return kindCancel, e.End
	case e.End != nil:
		return kindFinish, e.End
	case e.Trim != nil:
		return kindTrim, e.Trim
	}
	return "", nil
}

// EncodeEntry writes an entry as it is stored. The same entry always has the same bytes.
func EncodeEntry(e *Entry) ([]byte, error) {
	kind, body := e.body()
	if body == nil || e.Time.IsZero() {
		return nil, errors.New("encode entry: it has no kind or no time")
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode entry: %w", err)
	}
	data, err := json.Marshal(wire{entryVersion, kind, e.Term, e.Writer, e.Time.UTC(), e.Retain, raw})
	if err != nil {
		return nil, fmt.Errorf("encode entry: %w", err)
	}
	return sealJSON(data), nil
}

// DecodeEntry reads a stored entry. Errors are corruptions, or name a version that this
// program does not read.
func DecodeEntry(number uint64, data []byte) (Entry, error) {
	e := Entry{Number: number}
	data, err := openJSON(data)
	if err != nil {
		return e, fmt.Errorf("entry %d: %w", number, err)
	}
	var w wire
	if err := json.Unmarshal(data, &w); err != nil {
		return e, fault.Corruptf("entry %d: %w", number, err)
	}
	if w.Version != entryVersion {
		return e, fmt.Errorf("entry %d: version %d, this program reads %d", number, w.Version, entryVersion)
	}
	e.Term, e.Writer, e.Time, e.Retain = w.Term, w.Writer, w.Time, w.Retain
	var body any
	switch w.Kind {
	case kindSpec:
		e.Spec = new(Spec)
		body = e.Spec
	case kindCheckpoint:
		e.Checkpoint = new(Manifest)
		body = e.Checkpoint
	case kindFence:
		e.Fence = new(Fence)
		body = e.Fence
	case kindCancel, kindFinish:
		e.End = new(End)
		body = e.End
	case kindTrim:
		e.Trim = new(Trim)
		body = e.Trim
	default:
		return e, fault.Corruptf("entry %d: no kind %q", number, w.Kind)
	}
	if err := json.Unmarshal(w.Body, body); err != nil {
		return e, fault.Corruptf("entry %d: %s: %w", number, w.Kind, err)
	}
	if e.End != nil && e.End.Canceled != (w.Kind == kindCancel) {
		return e, fault.Corruptf("entry %d: %s that says otherwise", number, w.Kind)
	}
	return e, nil
}

const (
	sumHead = `{"sum":"`
	sumTail = `",`
	sumSize = len(sumHead) + 16 + len(sumTail)
)

// sealJSON puts the checksum of a JSON object in front of its fields.
func sealJSON(object []byte) []byte {
	rest := object[1:]
	sealed := make([]byte, 0, sumSize+len(rest)+1)
	sealed = fmt.Appendf(sealed, "%s%016x%s", sumHead, xxhash.Sum64(append(rest, '\n')), sumTail)
	return append(append(sealed, rest...), '\n')
}

// openJSON checks what sealJSON made and gives the object back.
func openJSON(sealed []byte) ([]byte, error) {
	if len(sealed) < sumSize || !bytes.HasPrefix(sealed, []byte(sumHead)) || string(sealed[sumSize-len(sumTail):sumSize]) != sumTail {
		return nil, fault.Corruptf("its %d bytes do not begin with a checksum", len(sealed))
	}
	digits := string(sealed[len(sumHead) : sumSize-len(sumTail)])
	want, err := strconv.ParseUint(digits, 16, 64)
	if got := xxhash.Sum64(sealed[sumSize:]); err != nil || got != want || digits != fmt.Sprintf("%016x", want) {
		return nil, fault.Corruptf("checksum %016x, it says %s", got, digits)
	}
	return append([]byte{'{'}, sealed[sumSize:]...), nil
}
