package trial

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial/oracle"
)

// Stream are events that Flink was not asked about: those that the source makes come many
// to a ms, unlike the given ones, and as many as it takes.
type Stream struct {
	Name   string
	with   string   // of the source
	args   []string // of its runs besides
	events *oracle.Events

	mu      sync.Mutex
	answers map[string]Rows // by query; guarded by mu
}

// Answers says that the rows of a query are known of any events.
func (q Query) Answers() bool {
	_, ok := oracle.Answer(q.Rows, &oracle.Events{})
	return ok
}

// eventsJob writes events as they come, one behind the other.
const eventsJob = `version: 1
job: nexmark-events
parallelism: 1
checkpoint: {interval: off}
operators:
  in: {source: nexmark, with: %s}
  out: {sink: file, inputs: [in], with: {path: events}, encode: json}
`

// Streams are those that queries are tried on, the longest of so many events. Of that one
// operators get little time to hand on what they hold, so that they come to hold as much as
// they may.
func (l Lab) Streams(ctx context.Context, events int) (all []*Stream, err error) {
	for _, s := range []struct {
		name   string
		events int
		with   string
	}{
		{"many events", events, "seed: 1, rate: 100000, start: 2026-03-01T23:59:59.5Z"},
		{"slow events", events / 4, "seed: 2, rate: 400, start: 2026-03-01T23:59:25Z, hotBidders: 30, hotAuctions: 5"},
		{"few bids", events / 4, "seed: 3, rate: 10000, start: 2026-03-01T23:59:58.9Z, persons: 4, auctions: 7, bids: 29, hotSellers: 2, hotChannels: 20"},
	} {
		made, err := l.Generate(ctx, s.name, fmt.Sprintf("{events: %d, %s}", s.events, s.with))
		if err != nil {
			return nil, err
		}
		all = append(all, made)
	}
	all[0].args = []string{"--set", "bufferTimeout=1m"}
	coarse, err := l.Coarse(all[1], "coarse events", 500)
	return append(all, coarse), err
}

// Generate has the source make events, as `with` of it says.
func (l Lab) Generate(ctx context.Context, name, with string) (*Stream, error) {
	dir, err := os.MkdirTemp(l.Scratch, "events-")
	if err != nil {
		return nil, fmt.Errorf("make events %s: %w", name, err)
	}
	defer os.RemoveAll(dir)
	job := filepath.Join(dir, "events.yaml")
	if err := os.WriteFile(job, fmt.Appendf(nil, eventsJob, with), 0o666); err != nil {
		return nil, fmt.Errorf("make events %s: %w", name, err)
	}
	if _, err := l.command(ctx, "run", job, "--quiet", "--store", filepath.Join(dir, "store")); err != nil {
		return nil, fmt.Errorf("make events %s: %w", name, err)
	}
	s := newStream(name, with, &oracle.Events{})
	if err := eachFile(filepath.Join(dir, "events"), s.read); err != nil {
		return nil, fmt.Errorf("make events %s: %w", name, err)
	}
	return s, nil
}

func newStream(name, with string, events *oracle.Events) *Stream {
	return &Stream{Name: name, with: with, events: events, answers: map[string]Rows{}}
}

// Coarse are the events of a stream with times cut down to spans of so many ms, and few
// prices: most of them are equal to others. They are replayed from a file.
func (l Lab) Coarse(s *Stream, name string, ms int64) (_ *Stream, err error) {
	f, err := os.CreateTemp(l.Scratch, "events-*.ndjson")
	if err != nil {
		return nil, fmt.Errorf("write events %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	events := s.events.Coarse(ms)
	w := bufio.NewWriter(f)
	if err := events.WriteLines(w); err != nil {
		return nil, err
	}
	return newStream(name, fmt.Sprintf("{file: %s}", f.Name()), events), w.Flush()
}

// read takes in a file of the sink: of a record that is not text, its bytes.
func (s *Stream) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for lines := json.NewDecoder(bufio.NewReader(f)); lines.More(); {
		var line struct{ Value json.RawMessage }
		if err := lines.Decode(&line); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		value, err := valueOf(line.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := s.events.Add(value); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func valueOf(text json.RawMessage) ([]byte, error) {
	var plain string
	if err := json.Unmarshal(text, &plain); err == nil {
		return []byte(plain), nil
	}
	var encoded struct{ Base64 []byte }
	err := json.Unmarshal(text, &encoded)
	return encoded.Base64, err
}

// Rows are an oracle's for a query, worked out once.
func (s *Stream) Rows(query string) (Rows, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rows, ok := s.answers[query]; ok {
		return rows, nil
	}
	answer, ok := oracle.Answer(query, s.events)
	if !ok {
		return nil, fmt.Errorf("answer %s: there is no oracle for it", query)
	}
	rows := Rows{}
	for _, row := range answer {
		rows[encode(row)]++
	}
	s.answers[query] = rows
	return rows, nil
}
