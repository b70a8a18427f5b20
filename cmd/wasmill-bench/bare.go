package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// roleVariable makes this binary one of the processes that a measurement needs.
const (
	roleVariable = "WASMILL_BENCH_ROLE"
	urlVariable  = "WASMILL_BENCH_NATS"
)

var roles = map[string]func(context.Context) error{
	"publish": publish, "subscribe": subscribe, "healthy": healthy, "streams": streams, "relay": relay, forbidRole: forbid,
}

const (
	bareMessage  = 32 << 10
	bareMessages = 64 << 10 // 2 GiB
	bareSubject  = "bare"
)

// bare is the bytes per second that a publisher and a subscriber reach, two processes,
// with a server set up as wasmill run does it in a third: this one.
func (l *lab) bare(ctx context.Context) (float64, error) {
	token := rand.Text()
	s, err := server.NewServer(&server.Options{
		ServerName: "wasmill-bench", Host: "127.0.0.1", Port: server.RANDOM_PORT, Authorization: token,
		NoLog: true, NoSigs: true, MaxPayload: 1 << 20, MaxPending: 64 << 20, WriteDeadline: 10 * time.Second,
	})
	if err != nil {
		return 0, fmt.Errorf("start NATS: %w", err)
	}
	s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		return 0, errors.New("start NATS: not ready within 10s")
	}
	url := fmt.Sprintf("nats://%s@%s", token, s.Addr())
	from, err := roleCommand(ctx, "publish", url)
	if err != nil {
		return 0, err
	}
	to, err := roleCommand(ctx, "subscribe", url)
	if err != nil {
		return 0, err
	}
	out, err := to.StdoutPipe()
	if err != nil {
		return 0, fmt.Errorf("start subscriber: %w", err)
	}
	if err := to.Start(); err != nil {
		return 0, fmt.Errorf("start subscriber: %w", err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan() // it has subscribed
	err = from.Run()
	lines.Scan()
	var seconds float64
	if _, serr := fmt.Sscan(lines.Text(), &seconds); serr != nil {
		err = errors.Join(err, fmt.Errorf("read subscriber's time: %w", serr))
	}
	if err = errors.Join(err, to.Wait()); err != nil {
		return 0, fmt.Errorf("measure bare nats.go: %w", err)
	}
	return bareMessage * bareMessages / seconds, nil
}

func roleCommand(ctx context.Context, role, url string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own binary: %w", err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), roleVariable+"="+role, urlVariable+"="+url)
	return cmd, nil
}

func publish(context.Context) error {
	nc, err := nats.Connect(os.Getenv(urlVariable))
	if err != nil {
		return fmt.Errorf("connect publisher: %w", err)
	}
	defer nc.Close()
	message := make([]byte, bareMessage)
	for range bareMessages {
		if err := nc.Publish(bareSubject, message); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	return nc.FlushTimeout(time.Minute)
}

// subscribe prints when it is ready, then the seconds from the first to the last
// message.
func subscribe(ctx context.Context) error {
	nc, err := nats.Connect(os.Getenv(urlVariable))
	if err != nil {
		return fmt.Errorf("connect subscriber: %w", err)
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var first time.Time
	count := 0
	done := make(chan struct{})
	sub, err := nc.Subscribe(bareSubject, func(*nats.Msg) {
		if count++; count == 1 {
			first = time.Now()
		}
		if count == bareMessages {
			close(done)
		}
	})
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := nc.Flush(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	fmt.Println("ready")
	select {
	case <-done:
		fmt.Println(time.Since(first).Seconds())
		return nil
	case <-ctx.Done():
		return errors.New("subscribe: messages were lost")
	}
}
