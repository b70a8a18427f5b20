package state

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// diskRead is a read of pages into memory outside of the Go heap.
type diskRead struct {
	first int64
	into  []byte
}

// pageReader reads many places of a file at once: most of the time it is the disk that is
// waited for. It belongs to one goroutine.
type pageReader struct {
	file  *os.File
	async *asyncReads // nil: goroutines read
}

const (
	readers     = 8 // goroutines that read at once, at most
	readsAtOnce = 4 // for which it is worth another goroutine
)

func newPageReader(file *os.File) *pageReader { return &pageReader{file, openAsync()} }

func (p *pageReader) close() error {
	if p.async == nil {
		return nil
	}
	return p.async.close()
}

func (p *pageReader) read(reads []diskRead) error {
	if p.async == nil || len(reads) < 2 {
		return p.readBySome(reads)
	}
	for len(reads) > 0 {
		n := min(len(reads), asyncDepth)
		if err := p.async.read(p.file, reads[:n]); err != nil {
			return err
		}
		reads = reads[n:]
	}
	return nil
}

// readBySome shares reads out to goroutines.
func (p *pageReader) readBySome(reads []diskRead) error {
	var next atomic.Int64
	some := min(readers, len(reads)/readsAtOnce)
	if some < 2 {
		return p.readNext(reads, &next)
	}
	var failed [readers]error
	var all sync.WaitGroup
	for w := range some {
		all.Go(func() { failed[w] = p.readNext(reads, &next) })
	}
	all.Wait()
	return errors.Join(failed[:]...)
}

func (p *pageReader) readNext(reads []diskRead, next *atomic.Int64) error {
	for {
		i := int(next.Add(1)) - 1
		if i >= len(reads) {
			return nil
		}
		if _, err := p.file.ReadAt(reads[i].into, reads[i].first); err != nil {
			return fmt.Errorf("read state: %w", err)
		}
	}
}
