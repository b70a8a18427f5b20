package worker

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatch(t *testing.T) {
	exit := errors.New("exit status 3")
	for name, test := range map[string]struct {
		engine func(beats chan<- string, exited chan<- error)
		ends   string // prefix of the cause
		after  time.Duration
	}{
		"an engine that ends well":    {func(_ chan<- string, exited chan<- error) { exited <- nil }, "", 0},
		"an engine that ends badly":   {func(_ chan<- string, exited chan<- error) { exited <- exit }, "exit status 3", 0},
		"an engine that never starts": {func(chan<- string, chan<- error) {}, "engine killed: it made no progress", 10 * silenceMax},
		"an engine that falls silent": {func(beats chan<- string, _ chan<- error) {
			for range 10 {
				beats <- ""
				<-time.After(time.Second)
			}
		}, "engine killed: it made no progress", 9*time.Second + silenceMax},
		"an engine that is stuck": {func(beats chan<- string, _ chan<- error) {
			beats <- ""
			beats <- "task of a[0] has been in one call for 2m0s"
		}, "engine killed: task of a[0]", 0},
		"an engine that closes its end and exits": {func(beats chan<- string, exited chan<- error) {
			close(beats)
			exited <- exit
		}, "exit status 3", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				beats, exited := make(chan string), make(chan error, 1)
				pings := 0
				go test.engine(beats, exited)
				started := time.Now()
				err := watch(t.Context(), beats, exited, func() error { pings++; return nil })
				text := ""
				if err != nil {
					text = err.Error()
				}
				if !strings.HasPrefix(text, test.ends) || text != "" && test.ends == "" {
					t.Errorf("ended with %q, want %q", text, test.ends)
				}
				if took := time.Since(started); took < test.after || took > test.after+2*pingEvery {
					t.Errorf("took %s, want about %s", took, test.after)
				}
				if want := int(time.Since(started) / pingEvery); pings < want-1 {
					t.Errorf("%d pings, want %d", pings, want)
				}
			})
		})
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("released")
	cancel(gone)
	if err := watch(ctx, nil, nil, func() error { return nil }); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}
