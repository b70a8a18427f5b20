package exchange

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/wasmill/wasmill/runtime/graph"
)

// roleVariable makes the test binary a child process with one role of a benchmark.
const roleVariable = "WASMILL_EXCHANGE_ROLE"

var roles = map[string]func(url string, amount int) error{
	"publish": publishBare, "subscribe": subscribeBare, "send": sendChannel, "receive": receiveChannel,
}

func TestMain(m *testing.M) {
	role := roles[os.Getenv(roleVariable)]
	if role == nil {
		os.Exit(m.Run())
	}
	amount, err := strconv.Atoi(os.Args[2])
	if err == nil {
		err = role(os.Args[1], amount)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// BenchmarkTwoProcesses compares the exchange with bare nats.go: a process that
// sends, one that receives, and a server in a third.
func BenchmarkTwoProcesses(b *testing.B) {
	const total = 4 << 30
	pairs := []struct {
		name, sender, receiver string
		amount                 int
	}{
		{"bare-32KiB-messages", "publish", "subscribe", total / (32 << 10)},
		{"exchange-124B-records", "send", "receive", total / 124},
	}
	for _, p := range pairs {
		b.Run(p.name, func(b *testing.B) {
			var seconds, bytes float64
			for b.Loop() {
				s, n := runPair(b, p.sender, p.receiver, p.amount)
				seconds, bytes = seconds+s, bytes+n
			}
			b.ReportMetric(bytes/seconds/1e6, "MB/s")
			b.ReportMetric(bytes/seconds/124/1e6, "Mrecords/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// runPair runs two children and tells what the receiver measured.
func runPair(b *testing.B, sender, receiver string, amount int) (seconds, bytes float64) {
	b.Helper()
	url := startServer(b).ClientURL()
	from := child(sender, url, amount)
	to := child(receiver, url, amount)
	out, err := to.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := to.Start(); err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		b.Fatalf("receiver says %q", lines.Text())
	}
	if err := from.Run(); err != nil {
		b.Fatal(err)
	}
	if !lines.Scan() {
		b.Fatal("receiver did not end")
	}
	if _, err := fmt.Sscan(lines.Text(), &seconds, &bytes); err != nil {
		b.Fatal(err)
	}
	if err := to.Wait(); err != nil {
		b.Fatal(err)
	}
	return seconds, bytes
}

func child(role, url string, amount int) *exec.Cmd {
	c := exec.Command(os.Args[0], url, strconv.Itoa(amount))
	c.Env = append(os.Environ(), roleVariable+"="+role)
	c.Stderr = os.Stderr
	return c
}

func publishBare(url string, messages int) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	message := []byte(strings.Repeat("m", 32<<10))
	for range messages {
		if err := nc.Publish("bare", message); err != nil {
			return err
		}
	}
	return nc.FlushTimeout(time.Minute)
}

func subscribeBare(url string, messages int) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	var first time.Time
	bytes, count := 0, 0
	done := make(chan struct{})
	sub, err := nc.Subscribe("bare", func(m *nats.Msg) {
		if count == 0 {
			first = time.Now()
		}
		count, bytes = count+1, bytes+len(m.Data)
		if count == messages {
			close(done)
		}
	})
	if err != nil {
		return err
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	if err := nc.Flush(); err != nil {
		return err
	}
	fmt.Println("ready")
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		return fmt.Errorf("%d of %d messages came", count, messages)
	}
	fmt.Println(time.Since(first).Seconds(), bytes)
	return nil
}

func sendChannel(url string, records int) error {
	conn, err := Connect(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	h := NewHub(named(Config{Conn: conn}))
	w, err := h.Writer(0, 0, 1, graph.ByKey, 128, func(int) bool { return true })
	if err != nil {
		return err
	}
	batch := benchBatch(500)
	for n := 0; n < records; n += 500 {
		w.Write(batch)
		if err := sendAll(w); err != nil {
			return err
		}
	}
	w.Control(Element{Kind: End})
	if err := sendAll(w); err != nil {
		return err
	}
	return conn.nats.FlushTimeout(time.Minute)
}

func sendAll(w *Writer) error {
	for {
		done, err := w.Drain()
		if done || err != nil {
			return err
		}
		select {
		case <-w.Room():
		case <-w.hub.Failed():
		}
	}
}

func receiveChannel(url string, _ int) error {
	conn, err := Connect(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	h := NewHub(named(Config{Conn: conn}))
	in, err := h.Inbox("receiver", 0, []Channel{{}}, func(Channel) bool { return true })
	if err != nil {
		return err
	}
	if err := h.Ready(); err != nil {
		return err
	}
	fmt.Println("ready")
	<-in.Ready()
	first := time.Now()
	bytes := 0
	for {
		_, el, ok := in.Next()
		switch {
		case !ok:
			select {
			case <-in.Ready():
			case <-h.Failed():
				return h.Err()
			}
		case el.Kind == End:
			fmt.Println(time.Since(first).Seconds(), bytes)
			return h.Close()
		default:
			bytes += len(el.Batch)
			in.Release(el)
		}
	}
}
