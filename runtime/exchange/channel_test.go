package exchange

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestChannelTranscripts replays the talk of a channel's two ends, as told in
// testdata/channel.txt: each command and what the ends answer.
func TestChannelTranscripts(t *testing.T) {
	const path = "testdata/channel.txt"
	script, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	var ends channelEnds
	for line := range strings.Lines(string(script)) {
		command, _, _ := strings.Cut(strings.TrimSpace(line), " => ")
		if command == "" || strings.HasPrefix(command, "#") {
			said.WriteString(line)
			continue
		}
		fmt.Fprintf(&said, "%s => %s\n", command, ends.do(t, command))
	}
	if *update {
		if err := os.WriteFile(path, []byte(said.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := said.String(); got != string(script) && !*update {
		t.Errorf("the talk is not the one in %s:\n%s", path, got)
	}
}

type channelEnds struct {
	sender   sender
	receiver receiver
}

func (c *channelEnds) do(t *testing.T, command string) string {
	var name string
	var n, m uint64
	fields := strings.Fields(command)
	if _, err := fmt.Sscan(fields[0], &name); err != nil {
		t.Fatal(err)
	}
	for i, at := range []*uint64{&n, &m} {
		if len(fields) > i+1 {
			if _, err := fmt.Sscan(fields[i+1], at); err != nil {
				t.Fatalf("%s: %v", command, err)
			}
		}
	}
	switch name {
	case "open":
		c.sender = sender{limit: maxCost}
		c.receiver = receiver{window: n, limit: maxCost}
		return fmt.Sprintf("sender may send %d", c.sender.limit)
	case "send":
		if !c.sender.fits(n) {
			return fmt.Sprintf("no: %d of %d are used", c.sender.sent, c.sender.limit)
		}
		return fmt.Sprintf("frame %d, %d of %d are used", c.sender.send(n), c.sender.sent, c.sender.limit)
	case "receive":
		if err := c.receiver.accept(n, m); err != nil {
			return err.Error()
		}
		return c.granted()
	case "consume":
		c.receiver.consume(n)
		return c.granted()
	case "probe":
		if err := c.receiver.probed(n); err != nil {
			return err.Error()
		}
		return fmt.Sprintf("ok, limit is %d", c.receiver.limit)
	case "credit":
		c.sender.grant(n)
		return fmt.Sprintf("%d of %d are used", c.sender.sent, c.sender.limit)
	}
	t.Fatalf("unknown command %q", command)
	return ""
}

func (c *channelEnds) granted() string {
	if limit, due := c.receiver.grant(); due {
		return fmt.Sprintf("ok, grants up to %d", limit)
	}
	return "ok"
}
