package conntest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/wasmill/wasmill/runtime/operator"
)

// Source is a resumable source with an input of some dozens of records that ends.
type Source struct {
	// Open opens one subtask of the source. Restore is nil for a run from the start.
	Open func(c operator.Collector, subtask, parallelism int, restore []operator.Split) (operator.Source, error)
	// Records is how many records and rejections the input holds.
	Records int
}

// Run tests that what a source gives out is the same whatever the parallelism and the
// size of its polls, and wherever it is stopped and resumed.
func (s Source) Run(t *testing.T) {
	want := s.whole(t, 1)
	if len(want) != s.Records {
		t.Fatalf("the input has %d records, not %d: %q", len(want), s.Records, want)
	}
	t.Run("polls give out no more than asked for", func(t *testing.T) {
		if got := s.whole(t, 1000); !slices.Equal(got, want) {
			t.Errorf("polled in one piece it gives %q, one by one %q", got, want)
		}
	})
	for parallelism := 2; parallelism <= 5; parallelism++ {
		t.Run(fmt.Sprintf("%d subtasks give every record once", parallelism), func(t *testing.T) {
			r := &Recorder{}
			for subtask := range parallelism {
				source := s.open(t, r, subtask, parallelism, nil)
				Drain(t, source, 7)
				s.close(t, source)
			}
			same(t, r.all(), want)
		})
	}
	t.Run("stopped after each record it resumes behind it", func(t *testing.T) {
		for stop := range s.Records + 2 {
			s.resume(t, stop, 1, 1, want)
		}
	})
	t.Run("its splits may be dealt out anew", func(t *testing.T) {
		for stop := range s.Records/3 + 2 {
			s.resume(t, stop, 3, 2, want)
			s.resume(t, stop, 2, 5, want)
		}
	})
	t.Run("resumed at its end it gives nothing", func(t *testing.T) {
		s.resumeAtEnd(t)
	})
	t.Run("resumed without splits it gives nothing", func(t *testing.T) {
		r := &Recorder{}
		source := s.open(t, r, 0, 1, []operator.Split{})
		Drain(t, source, 10)
		s.close(t, source)
		same(t, r.all(), nil)
	})
}

func (s Source) whole(t *testing.T, most int) []string {
	t.Helper()
	r := &Recorder{}
	source := s.open(t, r, 0, 1, nil)
	Drain(t, source, most)
	s.close(t, source)
	if i := slices.IndexFunc(r.Batches, func(n int) bool { return n > most || n == 0 }); i >= 0 {
		t.Errorf("a poll for %d records gives a batch of %d", most, r.Batches[i])
	}
	return r.all()
}

// resume polls every subtask so many times for one record, then reads the rest with
// another parallelism.
func (s Source) resume(t *testing.T, polls, from, to int, want []string) {
	t.Helper()
	r, dealt := &Recorder{}, make([][]operator.Split, to)
	next := 0
	for subtask := range from {
		source := s.open(t, r, subtask, from, nil)
		for range polls {
			if _, err := source.Poll(1); err != nil {
				t.Fatalf("poll: %v", err)
			}
		}
		for _, split := range source.Position() {
			dealt[next%to] = append(dealt[next%to], split)
			next++
		}
		s.close(t, source)
	}
	for subtask := range to {
		splits := dealt[subtask]
		if splits == nil {
			splits = []operator.Split{}
		}
		source := s.open(t, r, subtask, to, splits)
		Drain(t, source, 7)
		s.close(t, source)
	}
	if from == 1 && to == 1 {
		if got := r.all(); !slices.Equal(got, want) {
			t.Errorf("stopped after %d polls: got %q, want %q", polls, got, want)
		}
		return
	}
	same(t, r.all(), want)
}

func (s Source) resumeAtEnd(t *testing.T) {
	source := s.open(t, &Recorder{}, 0, 1, nil)
	Drain(t, source, 10)
	splits := source.Position()
	s.close(t, source)
	for _, split := range splits {
		if !split.Done {
			t.Errorf("split %q is at its end and not done: %q", split.ID, split.Position)
		}
	}
	r := &Recorder{}
	source = s.open(t, r, 0, 1, splits)
	Drain(t, source, 10)
	if again := source.Position(); !slices.Equal(again, splits) {
		t.Errorf("resumed at %v it stands at %v", splits, again)
	}
	s.close(t, source)
	same(t, r.all(), nil)
}

func (s Source) open(t *testing.T, c operator.Collector, subtask, parallelism int, restore []operator.Split) operator.Source {
	t.Helper()
	source, err := s.Open(c, subtask, parallelism, restore)
	if err != nil {
		t.Fatalf("open subtask %d of %d at %v: %v", subtask, parallelism, restore, err)
	}
	return source
}

func (s Source) close(t *testing.T, source operator.Source) {
	t.Helper()
	if err := source.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// all is what was given out, and then what was rejected.
func (r *Recorder) all() []string { return slices.Concat(r.Records, r.Rejected) }

// same compares without regard to order.
func same(t *testing.T, got, want []string) {
	t.Helper()
	if a, b := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want)); !slices.Equal(a, b) {
		t.Errorf("got %q, want %q", a, b)
	}
}
