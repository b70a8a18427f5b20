package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"time"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// figures are all that is known of one machine, from this call and from earlier ones.
type figures struct {
	Machine   machine                  `json:"machine"`
	Generator *paced                   `json:"generator,omitempty"`
	Queries   map[string]*queryFigures `json:"queries"`
}

// queryFigures are a query's; what is nil was not measured.
type queryFigures struct {
	Check          *checked          `json:"check,omitempty"`
	CheckRevision  string            `json:"checkRevision,omitempty"`
	Pace           *paced            `json:"pace,omitempty"`
	Workers        *paced            `json:"workers,omitempty"` // over NATS
	Latency        *latency          `json:"latency,omitempty"`
	WorkersLatency *latency          `json:"workersLatency,omitempty"`
	Memory         map[string]*paced `json:"memory,omitempty"` // by backend
}

// taken is when a figure was measured, of which revision of the tree, and with a
// checkpoint every how many seconds.
type taken struct {
	At              time.Time `json:"at"`
	Revision        string    `json:"revision,omitempty"`
	CheckpointEvery float64   `json:"checkpointEvery,omitempty"`
}

func (l *lab) taken(interval time.Duration) taken {
	return taken{At: now(), Revision: l.revision, CheckpointEvery: interval.Seconds()}
}

// readFigures reads those of earlier calls, unless they are another machine's.
func readFigures(path string) (*figures, error) {
	none := &figures{Machine: thisMachine(), Queries: map[string]*queryFigures{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	earlier := &figures{Queries: map[string]*queryFigures{}}
	if err == nil {
		err = json.Unmarshal(text, earlier)
	}
	if err != nil {
		return nil, fmt.Errorf("read figures: %w", err)
	}
	if earlier.Machine != none.Machine || earlier.Queries == nil {
		return none, nil
	}
	return earlier, nil
}

func (f *figures) write(path string) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	return nil
}

func (f *figures) of(q trial.Query) *queryFigures {
	if f.Queries[q.Name] == nil {
		f.Queries[q.Name] = &queryFigures{}
	}
	return f.Queries[q.Name]
}

// The bars: times Flink's events per second and core, ms, and events per second and core.
const (
	paceBar      = 4
	goPaceBar    = 2
	workersBar   = 1.5
	meanBar      = 8
	latencyBar   = 20
	generatorBar = 6e6
)

func barOf(q trial.Query) float64 {
	if q.Go {
		return goPaceBar
	}
	return paceBar
}

// ratio is how many times Flink's figure a pace is.
func ratio(q trial.Query, p *paced) float64 { return p.perCPUSecond() / 1e3 / q.Flink }

// inFlink are the queries whose figure Flink has.
func inFlink() (all []trial.Query) {
	for _, q := range trial.Queries {
		if !q.Go && !q.Borrowed {
			all = append(all, q)
		}
	}
	return all
}

// mean is the geometric mean of the ratios of those inFlink, and how many it is of.
func (f *figures) mean(pace func(*queryFigures) *paced) (mean float64, n int) {
	sum := 0.0
	for _, q := range inFlink() {
		if p := pace(f.of(q)); p != nil {
			sum += math.Log(ratio(q, p))
			n++
		}
	}
	return math.Exp(sum / float64(max(n, 1))), n
}

// generatorShare is how much of a query's CPU time goes into making its events.
func (f *figures) generatorShare(p *paced) float64 {
	if f.Generator == nil {
		return 0
	}
	return p.perCPUSecond() / f.Generator.perCPUSecond()
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// median is the middle of the values, or the mean of the two in the middle.
func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	if n == 0 {
		return 0
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}
