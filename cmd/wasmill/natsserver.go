package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startNATS embeds a server on loopback, at a free port, with a token of its own.
func startNATS() (*server.Server, string, error) {
	token := rand.Text()
	s, err := server.NewServer(&server.Options{
		ServerName: "wasmill-run", Host: "127.0.0.1", Port: server.RANDOM_PORT, Authorization: token,
		NoLog: true, NoSigs: true, MaxPayload: 1 << 20, MaxPending: 64 << 20,
		// Credit keeps a receiver that stands still from being sent more than it may hold;
		// the server need not cut it off.
		WriteDeadline: 2 * time.Minute,
	})
	if err != nil {
		return nil, "", fmt.Errorf("start embedded NATS: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		return nil, "", errors.New("start embedded NATS: not ready within 10s")
	}
	u, err := url.Parse(s.ClientURL())
	if err != nil {
		s.Shutdown()
		return nil, "", fmt.Errorf("start embedded NATS: %w", err)
	}
	u.User = url.User(token)
	return s, u.String(), nil
}
