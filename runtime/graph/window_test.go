package graph_test

import (
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/graph"
)

func TestWindowIsChecked(t *testing.T) {
	for _, c := range []struct {
		name string
		w    graph.Window
		want []string // nothing: it is good
	}{
		{"tumbling", graph.Window{Kind: graph.Tumbling, Size: time.Hour, Offset: -time.Minute, Lateness: time.Minute}, nil},
		{"sliding", graph.Window{Kind: graph.Sliding, Size: time.Hour, Every: 7 * time.Minute}, nil},
		{"session", graph.Window{Kind: graph.Session, Gap: time.Second, Trigger: graph.Trigger{Every: time.Second, Processing: true}}, nil},
		{"global", graph.Window{Kind: graph.Global, Trigger: graph.Trigger{Count: 5, Purge: true}}, nil},
		{"no kind", graph.Window{}, []string{`kind: "" is not one of`}},
		{"no size", graph.Window{Kind: graph.Tumbling}, []string{"size: 0s is not above zero"}},
		{"what others have", graph.Window{Kind: graph.Session, Gap: 1e6, Size: 1e6, Every: 1e6, Offset: 1e6}, []string{"size: session", "every: session", "offset: session"}},
		{"part of a millisecond", graph.Window{Kind: graph.Tumbling, Size: 1500 * time.Microsecond, Offset: time.Microsecond}, []string{"size: 1.5ms is not a whole", "offset: 1µs is not a whole"}},
		{"huge", graph.Window{Kind: graph.Session, Gap: 1<<63 - 1}, []string{"gap: 2562047h47m16.854775807s is more than 100 years"}},
		{"negative", graph.Window{Kind: graph.Tumbling, Size: -time.Second, Lateness: -time.Second}, []string{"size: -1s", "lateness: -1s"}},
		{"count", graph.Window{Kind: graph.Session, Gap: 1e6, Trigger: graph.Trigger{Count: 1}}, []string{"trigger.count: session windows can't count"}},
		{"purge", graph.Window{Kind: graph.Tumbling, Size: 1e6, Trigger: graph.Trigger{Count: -1, Purge: true}}, []string{"trigger.count: -1", "trigger.purge: only global"}},
		{"purge without a trigger", graph.Window{Kind: graph.Global, Trigger: graph.Trigger{Purge: true}}, []string{"trigger.purge: there is no"}},
		{"a clock for nothing", graph.Window{Kind: graph.Global, Trigger: graph.Trigger{Processing: true}}, []string{"trigger.processing: there is no"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.w.Check()
			if (err == nil) != (c.want == nil) {
				t.Errorf("said %v", err)
			}
			for _, want := range c.want {
				if err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("%v does not say %q", err, want)
				}
			}
		})
	}
}
