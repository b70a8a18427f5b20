package connector_test

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/connector/conntest"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

func generator(records, rate, keys, valueSize, seed int64) *graph.Operator {
	return source("generator", graph.Format{}, map[string]any{"records": records, "rate": rate, "keys": keys, "valueSize": valueSize, "seed": seed})
}

// The content of a generator is a contract: benchmarks of different days compare it.
func TestGeneratorContent(t *testing.T) {
	got := read(t, generator(3, 2000, 10, 24, 0)).Records
	want := []string{
		`insert key="4" value="0000000000000000Gc5GT0h5" time=1577836800000 kind=0`,
		`insert key="7" value="0000000000000001U-raS1hQ" time=1577836800000 kind=0`,
		`insert key="3" value="0000000000000002E28XA5_1" time=1577836800001 kind=0`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestGeneratorSettings(t *testing.T) {
	keys := map[string]bool{}
	for _, r := range read(t, generator(100_000, 0, 70_000, 0, 1)).Records {
		key, _, _ := strings.Cut(strings.TrimPrefix(r, "insert key="), " ")
		keys[key] = true
	}
	// Of k keys drawn n times, k(1-e^(-n/k)) are seen: 53,200.
	if len(keys) < 53_000 || len(keys) > 53_400 || !keys[`"0"`] && !keys[`"1"`] && !keys[`"2"`] {
		t.Errorf("100,000 draws of 70,000 keys are %d different ones", len(keys))
	}
	for _, c := range []struct {
		name string
		op   *graph.Operator
		want string
	}{
		{"no keys", generator(1, 0, 0, 4, 0), `^insert key="" value="[-_A-Za-z0-9]{4}" time=\d+ kind=4$`},
		{"no value", generator(1, 0, 0, 0, 0), `^insert key="" value="" time=\d+ kind=4$`},
		{"one key", generator(1, 0, 1, 0, 0), `^insert key="0" value="" time=\d+ kind=0$`},
		{"the number begins the value", generator(0xbeef+1, 0, 0, 17, 0), `^insert key="" value="000000000000beef[-_A-Za-z0-9]" time=1577836800048 kind=4$`},
		{"a value larger than a batch", generator(2, 0, 0, 100_000, 0), `^insert key="" value="0000000000000001[-_A-Za-z0-9]{99984}" time=\d+ kind=4$`},
	} {
		t.Run(c.name, func(t *testing.T) {
			records := read(t, c.op).Records
			// The last: regexp counts no higher than 1000.
			want := strings.Replace(c.want, "{99984}", "+", 1)
			if last := records[len(records)-1]; !regexp.MustCompile(want).MatchString(last) {
				t.Errorf("got %.200s, want %s", last, c.want)
			}
		})
	}
	if slices.Equal(read(t, generator(10, 0, 0, 20, 1)).Records, read(t, generator(10, 0, 0, 20, 2)).Records) {
		t.Error("two seeds give the same records")
	}
}

func TestGeneratorKeepsItsSchedule(t *testing.T) {
	for _, rate := range []int64{1, 7, 1000, 300_000} {
		t.Run(fmt.Sprint(rate, " a second"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { keepsSchedule(t, rate) })
		})
	}
}

func keepsSchedule(t *testing.T, rate int64) {
	c := at("in", 1, 3, nil, nil)
	r := &numbers{}
	c.Collector, c.Started = r, time.Now()
	s := openSource(t, generator(3*rate, rate, 0, 16, 0), c)
	for status := operator.More; status != operator.End; {
		var err error
		if status, err = s.Poll(100); err != nil {
			t.Fatal(err)
		}
		elapsed := time.Since(c.Started)
		for _, n := range r.take() {
			due := time.Duration(math.Ceil(float64(n) * float64(time.Second) / float64(rate)))
			if late := elapsed - due; late < 0 || late > time.Millisecond {
				t.Fatalf("record %d comes %v after it was due", n, late)
			}
		}
		if status == operator.Idle {
			<-s.Ready()
		}
	}
	if r.total != rate {
		t.Errorf("got %d records, want %d", r.total, rate)
	}
}

// A stall changes neither what is given out nor when it was due.
func TestGeneratorCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &conntest.Recorder{}
		c := at("in", 0, 1, nil, r)
		c.Started = time.Now()
		op := generator(50, 10, 3, 16, 0)
		s := openSource(t, op, c)
		if status, err := s.Poll(1000); status != operator.Idle || err != nil || len(r.Records) != 1 {
			t.Fatalf("at once it gives %d records, status %d (%v)", len(r.Records), status, err)
		}
		<-time.After(4 * time.Second)
		if status, err := s.Poll(1000); status != operator.Idle || err != nil || len(r.Records) != 41 {
			t.Fatalf("after 4 s it has given %d records, status %d (%v)", len(r.Records), status, err)
		}
		conntest.Drain(t, s, 1000)
		prompt := read(t, op)
		if !slices.Equal(r.Records, prompt.Records) {
			t.Errorf("late it gives %q, prompt %q", r.Records, prompt.Records)
		}
	})
}

// Subtasks of another worker may be opened before the job starts, by their clock.
func TestGeneratorWaitsForTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := at("in", 0, 1, nil, &conntest.Recorder{})
		c.Started = time.Now().Add(time.Minute)
		s := openSource(t, generator(1, 1, 0, 0, 0), c)
		wantIdle(t, s)
		<-s.Ready()
		if status, err := s.Poll(1); status != operator.End || err != nil || time.Now().Before(c.Started) {
			t.Errorf("at %v before the start: status %d (%v)", time.Until(c.Started), status, err)
		}
	})
}

func TestGeneratorPositions(t *testing.T) {
	for _, split := range []operator.Split{{ID: "x", Position: "1"}, {ID: "1/0", Position: "1"}, {ID: "2/2", Position: "2"}, {ID: "1/2", Position: "2"}, {ID: "1/2", Position: "-1"}, {ID: "0/1", Position: "x"}} {
		if _, err := connector.OpenSource(t.Context(), generator(1, 0, 0, 0, 0), at("in", 0, 1, []operator.Split{split}, nil)); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%v: got error %v, want a corruption", split, err)
		}
	}
}

func TestScheduleOf(t *testing.T) {
	for _, c := range []struct {
		op   *graph.Operator
		want connector.Schedule // without a rate: none
	}{
		{generator(1, 5, 0, 0, 0), connector.Schedule{Start: connector.GeneratorBase, Rate: 5}},
		{generator(1, 0, 0, 0, 0), connector.Schedule{}},
		{nexmark(map[string]any{"speed": "scheduled", "start": 7, "rate": 8}), connector.Schedule{Start: 7, Rate: 8}},
		{nexmark(nil), connector.Schedule{}},
		{stdin("lines"), connector.Schedule{}},
		{sink("discard", "", nil), connector.Schedule{}},
	} {
		if got, ok := connector.ScheduleOf(c.op); ok != (c.want.Rate > 0) || ok && got != c.want {
			t.Errorf("%s with %s: got %v, %t", c.op.Connector, c.op.With, got, ok)
		}
	}
}

func TestElapsed(t *testing.T) {
	const never = time.Duration(math.MaxInt64)
	schedule := connector.Schedule{Rate: 1000}
	for _, c := range []struct {
		splits []operator.Split
		want   time.Duration
	}{
		{nil, never},
		{[]operator.Split{{ID: "0", Position: "0"}}, 0},
		{[]operator.Split{{ID: "0", Position: "2500"}, {ID: "1", Position: "2001"}}, 2001 * time.Millisecond},
		{[]operator.Split{{ID: "0", Position: "10", Done: true}, {ID: "1", Position: "5000"}}, 5 * time.Second},
		{[]operator.Split{{ID: "0", Position: "10", Done: true}}, never},
	} {
		if got, err := schedule.Elapsed(c.splits); err != nil || got != c.want {
			t.Errorf("%v: %s, %v; want %s", c.splits, got, err, c.want)
		}
	}
	if _, err := schedule.Elapsed([]operator.Split{{ID: "0", Position: "x"}}); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("a position that is none: %v", err)
	}
}

// numbers keeps the numbers of generated records.
type numbers struct {
	valueList
	total int64
}

func (n *numbers) take() (all []int64) {
	for _, v := range n.values {
		var number int64
		fmt.Sscanf(v, "%x", &number)
		all = append(all, number)
	}
	n.values = nil
	n.total += int64(len(all))
	return all
}
