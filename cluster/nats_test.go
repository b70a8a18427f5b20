package cluster

import (
	"net"
	"strings"
	"testing"
)

// TestSecretsStayOutOfMessages: what can't be reached is named without its secrets.
func TestSecretsStayOutOfMessages(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.Addr().String()
	free.Close()
	for name, test := range map[string]struct{ address, says string }{
		"password":       {"nats://bob:s3cret@" + at, "nats://bob:xxxxx@" + at},
		"token":          {"nats://s3cret@" + at, "nats://token:xxxxx@" + at},
		"several":        {"nats://" + at + ",nats://bob:s3cret@" + at, "nats://" + at + ",nats://bob:xxxxx@" + at},
		"no scheme":      {"bob:s3cret@" + at, "can't be read"},
		"not an address": {"nats://bob:s3cret@\x7f", "can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewNATS(test.address, "c", "n")
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v", err)
			}
		})
	}
}
