package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	streamRecords = 1_500_000
	streamValue   = 200
	streamBatch   = 5000 // messages of an atomic batch; servers take 1,000 unless told otherwise
	folderVar     = "WASMILL_BENCH_STREAMS"
)

// measureJetStream runs, in turn, a bare loop that consumes a stream and publishes to
// another in atomic batches, and a job that does the same exactly once, with a checkpoint
// each second. Server, loop and job are processes of their own; streams are files.
func measureJetStream(ctx context.Context, l *lab) error {
	for range l.runs {
		if err := l.streamOnce(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) streamOnce(ctx context.Context) error {
	folder, err := os.MkdirTemp(l.scratch, "streams")
	if err != nil {
		return fmt.Errorf("make folder of streams: %w", err)
	}
	defer os.RemoveAll(folder)
	url, stop, err := serveStreams(ctx, folder)
	if err != nil {
		return err
	}
	defer stop()
	if err := fillStream(ctx, url); err != nil {
		return err
	}
	bare, err := roleCommand(ctx, "relay", url)
	if err != nil {
		return err
	}
	out, err := bare.Output()
	if err != nil {
		return fmt.Errorf("measure bare relay: %w", err)
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		return fmt.Errorf("read time of bare relay: %w", err)
	}
	rate, err := l.streamJob(ctx, url)
	if err != nil {
		return err
	}
	l.add(streamBare, streamRecords/seconds)
	l.add(streamRate, rate)
	l.add(streamShare, rate/(streamRecords/seconds))
	return nil
}

// streamJob is the records per second of the job, whose output is counted.
func (l *lab) streamJob(ctx context.Context, url string) (float64, error) {
	file, err := l.writeFile("jetstream.yaml", `version: 1
job: jetstream
checkpoint: {interval: 1s}
operators:
  in: {source: jetstream, with: {url: "`+url+`", stream: IN, end: latest}}
  out: {sink: jetstream, inputs: [in], with: {url: "`+url+`", stream: OUT, subject: out, create: true, batch: `+strconv.Itoa(streamBatch)+`}}
`)
	if err != nil {
		return 0, err
	}
	store, err := os.MkdirTemp(l.scratch, "store")
	if err != nil {
		return 0, fmt.Errorf("make store: %w", err)
	}
	defer os.RemoveAll(store)
	cmd := exec.CommandContext(ctx, l.wasmill, "run", file, "-o", "json", "--quiet", "--store", store)
	var report, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &report, &complaints
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("run job jetstream: %w: %s", err, strings.TrimSpace(complaints.String()))
	}
	var r jobResult
	if err := json.Unmarshal(report.Bytes(), &r); err != nil {
		return 0, fmt.Errorf("read report of jetstream: %w", err)
	}
	if n, err := countStream(ctx, url, "OUT", "out"); err != nil || n != streamRecords {
		return 0, fmt.Errorf("run job jetstream: %d of %d records came (%v)", n, streamRecords, err)
	}
	return streamRecords / r.Seconds, nil
}

// serveStreams starts a NATS server that keeps its streams in a folder.
func serveStreams(ctx context.Context, folder string) (url string, stop func(), err error) {
	cmd, err := roleCommand(ctx, "streams", "")
	if err != nil {
		return "", nil, err
	}
	cmd.Env = append(cmd.Env, folderVar+"="+folder)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", nil, fmt.Errorf("start NATS: %w", err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("start NATS: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}

// streams is the role of that server.
func streams(ctx context.Context) error {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, JetStream: true, JetStreamLimits: server.JSLimitOpts{MaxBatchSize: streamBatch}, StoreDir: filepath.Clean(os.Getenv(folderVar))})
	if err != nil {
		return fmt.Errorf("start NATS: %w", err)
	}
	s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		return errors.New("start NATS: not ready within 10s")
	}
	fmt.Println(s.ClientURL())
	<-ctx.Done()
	return nil
}

func fillStream(ctx context.Context, url string) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return fmt.Errorf("fill stream: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4000))
	if err == nil {
		_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: "IN", Subjects: []string{"in"}, Storage: jetstream.FileStorage})
	}
	if err != nil {
		return fmt.Errorf("fill stream: %w", err)
	}
	value := bytes.Repeat([]byte{'x'}, streamValue)
	for range streamRecords {
		if _, err := js.PublishAsync("in", value, jetstream.WithStallWait(time.Minute)); err != nil {
			return fmt.Errorf("fill stream: %w", err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-ctx.Done():
		return ctx.Err()
	}
	if n, err := countStream(ctx, url, "IN", "in"); err != nil || n != streamRecords {
		return fmt.Errorf("fill stream: %d of %d records are there (%v)", n, streamRecords, err)
	}
	return nil
}

func countStream(ctx context.Context, url, name, subject string) (uint64, error) {
	nc, err := nats.Connect(url)
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return 0, err
	}
	s, err := js.Stream(ctx, name)
	if err != nil {
		return 0, err
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return 0, err
	}
	return info.State.Subjects[subject], nil
}

// relay is the bare loop. It prints the seconds that it took.
func relay(ctx context.Context) error {
	nc, err := nats.Connect(os.Getenv(urlVariable))
	if err != nil {
		return fmt.Errorf("connect relay: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err == nil {
		_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: "BARE", Subjects: []string{"bare"}, Storage: jetstream.FileStorage, AllowAtomicPublish: true})
	}
	if err != nil {
		return fmt.Errorf("make stream: %w", err)
	}
	began := time.Now()
	consumer, err := js.OrderedConsumer(ctx, "IN", jetstream.OrderedConsumerConfig{})
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(4096))
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	defer messages.Stop()
	b := bareBatch{nc: nc, number: []string{""}}
	for n := range streamRecords {
		m, err := messages.Next()
		if err == nil {
			err = b.add(m.Data(), n == streamRecords-1)
		}
		if err != nil {
			return fmt.Errorf("relay: %w", err)
		}
	}
	if err := b.wait(); err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	fmt.Println(time.Since(began).Seconds())
	return nil
}

// bareBatch publishes atomic batches. The next is on its way while the server commits one.
type bareBatch struct {
	nc     *nats.Conn
	id     int
	count  int
	number []string
	answer *nats.Subscription // nil: none is awaited
}

func (b *bareBatch) add(data []byte, last bool) error {
	b.count++
	b.number[0] = strconv.Itoa(b.count)
	header := nats.Header{"Nats-Batch-Id": {strconv.Itoa(b.id)}, "Nats-Batch-Sequence": b.number}
	if b.count < streamBatch && !last {
		return b.nc.PublishMsg(&nats.Msg{Subject: "bare", Header: header, Data: data})
	}
	if err := b.wait(); err != nil {
		return err
	}
	inbox := b.nc.NewRespInbox()
	var err error
	if b.answer, err = b.nc.SubscribeSync(inbox); err != nil {
		return err
	}
	header["Nats-Batch-Commit"] = []string{"1"}
	b.id, b.count = b.id+1, 0
	return b.nc.PublishMsg(&nats.Msg{Subject: "bare", Reply: inbox, Header: header, Data: data})
}

// wait waits until the batch before is committed.
func (b *bareBatch) wait() error {
	if b.answer == nil {
		return nil
	}
	defer b.answer.Unsubscribe()
	m, err := b.answer.NextMsg(10 * time.Second)
	if err == nil && bytes.Contains(m.Data, []byte(`"error"`)) {
		err = errors.New(string(m.Data))
	}
	return err
}
