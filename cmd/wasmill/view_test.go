package main

import (
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/cluster/coordinator"
	"github.com/wasmill/wasmill/runtime/graph"
)

// watch shows two looks at a job of one operator, a second apart.
func watch(connector string, terminal bool, records, later uint64, between string) string {
	var out strings.Builder
	plan := &graph.Plan{Job: "j", Operators: []graph.Operator{{Name: "in", Connector: connector, Parallelism: 1}}}
	v := viewOn(&out, plan, terminal)
	for i, n := range []uint64{records, records, later} {
		v.last = time.Time{}
		s := cluster.Stats{Operator: "in", RecordsOut: n}
		if i == 0 {
			s.BusyNanos = 1e9
		}
		v.observe(coordinator.Observation{State: coordinator.Running, Seconds: float64(i + 1), Stats: []cluster.Stats{s}})
		if i == 1 {
			out.WriteString(between)
		}
	}
	v.close()
	return out.String()
}

// screen is what a terminal shows of text that moves up, clears below and ends lines.
func screen(text string) []string {
	lines, row := []string{""}, 0
	for len(text) > 0 {
		switch {
		case strings.HasPrefix(text, "\x1b[J"):
			lines, text = append(lines[:row:row], ""), text[3:]
		case strings.HasPrefix(text, "\x1b["):
			end := strings.IndexByte(text, 'A')
			row -= int(text[2] - '0')
			text = text[end+1:]
		case text[0] == '\n':
			if row++; row == len(lines) {
				lines = append(lines, "")
			}
			text = text[1:]
		default:
			end := strings.IndexAny(text, "\n\x1b")
			old := lines[row]
			lines[row] = text[:end]
			if len(old) > end {
				lines[row] += old[end:]
			}
			text = text[end:]
		}
	}
	return lines
}

// The view never takes away what others print.
func TestViewLeavesRowsAlone(t *testing.T) {
	for name, test := range map[string]struct {
		connector string
		terminal  bool
		table     bool
	}{
		"a table on a terminal":    {"generator", true, true},
		"lines elsewhere":          {"generator", false, false},
		"lines if rows come there": {"stdout", true, false},
		"lines if somebody types":  {"stdin", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			text := watch(test.connector, test.terminal, 0, 10, "a log line\nanother\n")
			if strings.Contains(text, "\x1b") != test.table {
				t.Errorf("moves the cursor: %t, want %t:\n%q", !test.table, test.table, text)
			}
			shown := screen(text)
			if !strings.HasPrefix(strings.Join(shown, "\n"), "a log line\nanother") && test.table {
				t.Errorf("the terminal shows %q", shown)
			}
			if last := shown[len(shown)-1]; last != "" {
				t.Errorf("the view is left on the terminal: %q", shown)
			}
		})
	}
}

func TestViewNumbers(t *testing.T) {
	for name, test := range map[string]struct {
		records, later uint64
		says           string
	}{
		"nothing":               {5, 5, "in 0/s busy 0%"},
		"a few":                 {0, 7, "in 7/s"},
		"many":                  {0, 3_400_000, "in 3.4 M/s"},
		"a restart counts anew": {9, 2, "in 0/s"},
	} {
		t.Run(name, func(t *testing.T) {
			if text := watch("generator", false, test.records, test.later, ""); !strings.Contains(text, test.says) || strings.Contains(text, "-") {
				t.Errorf("no %q in %q", test.says, text)
			}
		})
	}
	if text := count(0.5); text != "0.5" {
		t.Errorf("half a record is %q", text)
	}
}
