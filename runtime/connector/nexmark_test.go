package connector_test

import (
	"maps"
	"syscall"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/graph"
)

// nexmark is the source with its defaults, but for what is said.
func nexmark(with map[string]any) *graph.Operator {
	all := map[string]any{
		"events": -1, "rate": 100_000, "speed": "max", "seed": 0, "start": 1_577_836_800_000, "persons": 1, "auctions": 3, "bids": 46,
		"hotAuctions": 2, "hotBidders": 4, "hotSellers": 4, "hotChannels": 2, "maxLine": maxLine,
	}
	maps.Copy(all, with)
	return source("nexmark", graph.Format{}, all)
}

func BenchmarkNexmark(b *testing.B) {
	// A batch has 64 KiB, which is some 300 events.
	const most = 250
	c := &counter{}
	s := openSource(b, nexmark(nil), at("in", 0, 1, nil, c))
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		if _, err := s.Poll(most); err != nil {
			b.Fatal(err)
		}
	}
	used := cpuTime(b) - before
	perRecord(b, most*b.N)
	b.ReportMetric(float64(c.bytes)/float64(most*b.N), "B/record")
	b.ReportMetric(float64(most*b.N)/used.Seconds()/1e6, "Mrecords/CPU-s")
}

// cpuTime is what the process has used: all that counts where others are busy, too.
func cpuTime(b *testing.B) time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
