package examples

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the examples compute, as plain programs.

func strongQuakes(t *testing.T) []string {
	var rows []string
	for _, line := range lines(t, "quakes/earthquakes.ndjson") {
		var q struct {
			Time  int64
			Mag   json.Number
			Place string
		}
		decode(t, line, &q)
		magnitude, err := q.Mag.Float64()
		if err != nil {
			t.Fatal(err)
		}
		if magnitude >= 4.5 {
			rows = append(rows, fmt.Sprintf(`{"time":%d,"mag":%s,"place":%s}`, q.Time, q.Mag, encode(t, q.Place)))
		}
	}
	return rows
}

func delays(t *testing.T) []string {
	delays := map[string][]int{}
	for _, line := range lines(t, "flights/flights.ndjson") {
		var f struct {
			Origin string
			Delay  int
		}
		decode(t, line, &f)
		delays[f.Origin] = append(delays[f.Origin], f.Delay)
	}
	var rows []string
	for _, origin := range slices.Sorted(maps.Keys(delays)) {
		late, total := 0, 0
		for _, delay := range delays[origin] {
			total += delay
			if delay > 15 {
				late++
			}
		}
		rows = append(rows, fmt.Sprintf(`{"origin":%s,"flights":%d,"late":%d,"delay_total":%d,"delay_max":%d}`,
			encode(t, origin), len(delays[origin]), late, total, slices.Max(delays[origin])))
	}
	return rows
}

func wordCounts(t *testing.T) []string {
	files, err := filepath.Glob("wordcount/text/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("texts: %v, %v", files, err)
	}
	word := regexp.MustCompile(`[\pL\d]+(?:['’][\pL\d]+)*`)
	counts := map[string]int{}
	for _, file := range files {
		for _, w := range word.FindAllString(strings.Join(lines(t, file), "\n"), -1) {
			counts[strings.ToLower(w)]++
		}
	}
	var rows []string
	for _, w := range slices.Sorted(maps.Keys(counts)) {
		rows = append(rows, fmt.Sprintf(`{"word":%s,"count":%d}`, encode(t, w), counts[w]))
	}
	return rows
}

func decode(t *testing.T, line string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), v); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
}

func encode(t *testing.T, text string) string {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(quoted)
}
