package state

import (
	"errors"
	"runtime"
	"sync"
)

// diskFetch is an entry to be read: where its name lies in Disk.wanted.
type diskFetch struct {
	recent   *recentEntry
	from, to int
}

const (
	fetchers    = 4  // goroutines that read at once, at most
	fetchAtOnce = 16 // entries for which it is worth another goroutine
)

// want lists an entry to be fetched, unless it is at hand.
func (d *Disk) want(group, table int, key, subkey []byte) {
	if d.check(group, table, key, subkey, 0) != nil {
		return
	}
	from := len(d.wanted)
	d.wanted = appendName(d.wanted, group, table, key, subkey)
	name := d.wanted[from:]
	r := &d.recent[hashOf(name, nil)%recentSize]
	if r.known(name) && (!r.there || len(r.record) > 0) {
		d.wanted = d.wanted[:from]
		return
	}
	for _, f := range d.fetches {
		if f.recent == r {
			d.wanted = d.wanted[:from]
			return // the same, or one in its way
		}
	}
	d.fetches = append(d.fetches, diskFetch{r, from, len(d.wanted)})
}

// fetch reads what is wanted, several entries at once: a look-up in a tree larger than
// RAM waits for files most of the time.
func (d *Disk) fetch() error {
	defer func() { d.wanted, d.fetches = d.wanted[:0], d.fetches[:0] }()
	if len(d.fetches) == 0 {
		return nil
	}
	if err := d.commit(); err != nil {
		return err
	}
	workers := max(1, min(fetchers, runtime.GOMAXPROCS(0), len(d.fetches)/fetchAtOnce))
	var failed [fetchers]error
	var all sync.WaitGroup
	for w := 1; w < workers; w++ {
		all.Go(func() { failed[w] = d.fetchSome(w, workers) })
	}
	failed[0] = d.fetchSome(0, workers)
	all.Wait()
	return errors.Join(failed[:]...)
}

// fetchSome reads one share of what is wanted. No two shares have an entry in common.
func (d *Disk) fetchSome(share, of int) error {
	for i := share; i < len(d.fetches); i += of {
		f := d.fetches[i]
		if err := f.recent.read(d.db, d.wanted[f.from:f.to]); err != nil {
			return err
		}
	}
	return nil
}
