package connector_test

import (
	"syscall"
	"testing"
	"time"
)

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
