package state

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// diskRead is a read of pages into memory outside of the Go heap.
type diskRead struct {
	first    int64
	into     []byte
	from, to int  // what of it is of use
	cached   bool // the page cache may have it
}

// pageReader reads many places of a file at once: most of the time it is the disk that is
// waited for. It belongs to one goroutine.
type pageReader struct {
	file   *valuesFile
	async  *asyncReads // nil: goroutines read
	judges bool        // whether there is memory to hold the file
	missed []diskRead  // what the page cache did not have
}

const (
	readers     = 8 // goroutines that read at once, at most
	readsAtOnce = 4 // for which it is worth another goroutine
)

func newPageReader(file *valuesFile) *pageReader { return &pageReader{file: file, async: openAsync()} }

func (p *pageReader) close() error {
	if p.async == nil {
		return nil
	}
	return p.async.close()
}

func (p *pageReader) read(reads []diskRead) error {
	reads, err := p.readCached(reads)
	if err != nil {
		return err
	}
	if p.async == nil || len(reads) < 2 {
		return p.readBySome(reads)
	}
	for len(reads) > 0 {
		n := min(len(reads), asyncDepth)
		if err := p.async.read(p.file.direct, reads[:n]); err != nil {
			return err
		}
		reads = reads[n:]
	}
	return nil
}

// readCached reads what the page cache has, and returns what it has not.
func (p *pageReader) readCached(reads []diskRead) ([]diskRead, error) {
	if !p.file.spare.on.Load() {
		return reads, nil
	}
	p.missed = p.missed[:0]
	tries, hits := 0, 0
	for i := range reads {
		r := &reads[i]
		if r.cached {
			tries++
			ok, err := p.file.readCached(r.into[r.from:r.to], r.first+int64(r.from))
			if err != nil {
				return nil, err
			}
			if ok {
				hits++
				continue
			}
		}
		p.missed = append(p.missed, *r)
	}
	if p.judges {
		p.file.spare.read(tries, hits)
	}
	return p.missed, nil
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
		if _, err := p.file.direct.ReadAt(reads[i].into, reads[i].first); err != nil {
			return fmt.Errorf("read state: %w", err)
		}
	}
}
