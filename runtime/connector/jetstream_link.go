package connector

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// linkIdle is how long a connection of committers stays when nobody uses it. Committers
// come and go with each transaction and are never closed.
const linkIdle = 10 * time.Second

// links are the connections of committers, by how they were made.
var links = struct {
	sync.Mutex
	all map[natsSettings]*link
}{all: map[natsSettings]*link{}}

// link is a connection that several committers may use at once.
type link struct {
	nc    *nats.Conn
	batch atomic.Int64 // messages of a batch that the server is known to take at most; 0: not known
	users int          // guarded by links
	end   *time.Timer  // guarded by links; while nobody uses it
}

// most is how many messages a batch has, of those that are wanted.
func (l *link) most(wanted int) int {
	if known := int(l.batch.Load()); known > 0 {
		return min(wanted, known)
	}
	return wanted
}

// borrow gives a link and what to call when it is not needed any more.
func (s natsSettings) borrow() (*link, func(), error) {
	links.Lock()
	defer links.Unlock()
	l := links.all[s]
	if l != nil && l.nc.IsClosed() {
		delete(links.all, s)
		l = nil
	}
	if l == nil {
		nc, err := s.connect("committer", slog.Default(), nats.ReconnectBufSize(-1))
		if err != nil {
			return nil, nil, err
		}
		l = &link{nc: nc}
		links.all[s] = l
	}
	if l.end != nil {
		l.end.Stop()
		l.end = nil
	}
	l.users++
	return l, func() { s.giveBack(l) }, nil
}

func (s natsSettings) giveBack(l *link) {
	links.Lock()
	defer links.Unlock()
	if l.users--; l.users > 0 {
		return
	}
	l.end = time.AfterFunc(linkIdle, func() {
		links.Lock()
		defer links.Unlock()
		if l.users > 0 || links.all[s] != l {
			return
		}
		delete(links.all, s)
		l.nc.Close()
	})
}
