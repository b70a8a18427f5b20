package examples

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"
)

// What the examples with time and state compute, as plain programs: they sort, group and
// look back, as nobody can who has only a part of the data yet.

type quake struct {
	Time int64
	Mag  json.Number
	Net  string
}

func quakes(t *testing.T) []quake {
	var all []quake
	for _, line := range lines(t, "quakes/earthquakes.ndjson") {
		var q quake
		decode(t, line, &q)
		all = append(all, q)
	}
	return all
}

func dailyQuakes(t *testing.T) []string {
	type cell struct{ net, day string }
	days := map[cell][]json.Number{}
	for _, q := range quakes(t) {
		at := cell{q.Net, time.UnixMilli(q.Time).UTC().Format(time.DateOnly)}
		days[at] = append(days[at], q.Mag)
	}
	var rows []string
	for at, magnitudes := range days {
		strongest := slices.MaxFunc(magnitudes, func(a, b json.Number) int {
			x, errX := a.Float64()
			y, errY := b.Float64()
			if errX != nil || errY != nil {
				t.Fatal(errX, errY)
			}
			return cmp.Compare(x, y)
		})
		rows = append(rows, fmt.Sprintf(`{"net":%s,"day":"%s","count":%d,"max_mag":%s}`, encode(t, at.net), at.day, len(magnitudes), strongest))
	}
	slices.Sort(rows)
	return rows
}

func flightSessions(t *testing.T) []string {
	const gap = 30 * time.Minute
	departures := map[string][]time.Time{}
	for _, line := range lines(t, "flights/flights.ndjson") {
		var f struct{ Origin, Date string }
		decode(t, line, &f)
		at, err := time.Parse("2006/01/02 15:04", f.Date)
		if err != nil {
			t.Fatal(err)
		}
		departures[f.Origin] = append(departures[f.Origin], at)
	}
	var rows []string
	for origin, times := range departures {
		slices.SortFunc(times, time.Time.Compare)
		for first := 0; first < len(times); {
			last := first
			for last+1 < len(times) && times[last+1].Sub(times[last]) <= gap {
				last++
			}
			rows = append(rows, fmt.Sprintf(`{"origin":%s,"start":%d,"end":%d,"flights":%d}`,
				encode(t, origin), times[first].UnixMilli(), times[last].Add(gap).UnixMilli(), last-first+1))
			first = last + 1
		}
	}
	slices.Sort(rows)
	return rows
}

func silentNetworks(t *testing.T) []string {
	type rule struct {
		From    time.Time
		Net     string
		Seconds int64
	}
	var rules []rule
	for _, line := range lines(t, "alerts/rules.ndjson") {
		var r rule
		decode(t, line, &r)
		rules = append(rules, r)
	}
	events := map[string][]int64{}
	for _, q := range quakes(t) {
		events[q.Net] = append(events[q.Net], q.Time)
	}
	var rows []string
	for net, times := range events {
		slices.Sort(times)
		for i, at := range times {
			seconds := int64(3600)
			for _, r := range rules {
				if r.Net == net && r.From.UnixMilli() <= at {
					seconds = r.Seconds
				}
			}
			if i+1 == len(times) || times[i+1] > at+seconds*1000 {
				rows = append(rows, fmt.Sprintf(`{"net":%s,"since":%d,"seconds":%d}`, encode(t, net), at, seconds))
			}
		}
	}
	slices.Sort(rows)
	return rows
}
