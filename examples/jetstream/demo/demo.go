// Command demo is what the example needs around its job: a NATS server with JetStream,
// somebody who orders, and a check of what came out.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const usage = `usage: demo [flags] serve|order|check
  serve  a NATS server with JetStream, until Ctrl-C; its files are in -dir
  order  publishes -n orders, -rate a second
  check  compares every total with the orders, and says what is missing or doubled`

func main() {
	url := flag.String("url", nats.DefaultURL, "where the server is; serve takes its port")
	dir := flag.String("dir", ".streams", "where the server keeps its streams")
	n := flag.Int("n", 20_000, "orders")
	rate := flag.Int("rate", 1000, "orders a second")
	flag.Usage = func() { fmt.Fprintln(os.Stderr, usage); flag.PrintDefaults() }
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch flag.Arg(0) {
	case "serve":
		err = serve(ctx, *url, *dir)
	case "order":
		err = order(ctx, *url, *n, *rate)
	case "check":
		err = check(ctx, *url)
	default:
		flag.Usage()
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, url, dir string) error {
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "nats://"), ":")
	number, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("read -url: %s has no port", url)
	}
	if number == 0 {
		number = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: number, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true})
	if err != nil {
		return fmt.Errorf("start NATS: %w", err)
	}
	s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		return fmt.Errorf("start NATS: not ready within 10s: is port %d taken?", number)
	}
	err = with(s.ClientURL(), func(js jetstream.JetStream) error {
		_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}, Storage: jetstream.FileStorage})
		return err
	})
	if err != nil {
		return fmt.Errorf("make stream ORDERS: %w", err)
	}
	fmt.Println(s.ClientURL())
	<-ctx.Done()
	return nil
}

func with(url string, do func(jetstream.JetStream) error) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return fmt.Errorf("connect to %s (is it served?): %w", url, err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	return do(js)
}

const customers = 50

// order publishes orders: to orders.REGION.CUSTOMER, with an amount as text.
func order(ctx context.Context, url string, n, rate int) error {
	return with(url, func(js jetstream.JetStream) error {
		began := time.Now()
		for i := range n {
			due := began.Add(time.Duration(i) * time.Second / time.Duration(max(rate, 1)))
			if wait := time.Until(due); wait > time.Millisecond {
				select {
				case <-time.After(wait):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			customer := i * 7919 % customers
			subject := fmt.Sprintf("orders.%s.c%d", []string{"north", "south"}[customer%2], customer)
			if _, err := js.Publish(ctx, subject, strconv.AppendInt(nil, int64(100+i*31%900), 10)); err != nil {
				return fmt.Errorf("publish order %d: %w", i, err)
			}
		}
		fmt.Printf("%d orders are published\n", n)
		return nil
	})
}

// total is what a customer's orders come to, and what TOTALS last said of it.
type total struct{ Orders, Total int64 }

// check computes the totals anew and takes those that were published in their order.
func check(ctx context.Context, url string) error {
	return with(url, func(js jetstream.JetStream) error {
		wanted := map[string][]total{} // after each order, by customer
		orders := 0
		err := each(ctx, js, "ORDERS", "orders.>", func(m jetstream.Msg) error {
			customer := m.Subject()[strings.LastIndexByte(m.Subject(), '.')+1:]
			amount, err := strconv.ParseInt(string(m.Data()), 10, 64)
			so := total{}
			if list := wanted[customer]; len(list) > 0 {
				so = list[len(list)-1]
			}
			wanted[customer] = append(wanted[customer], total{so.Orders + 1, so.Total + amount})
			orders++
			return err
		})
		if err != nil {
			return fmt.Errorf("read ORDERS: %w", err)
		}
		of, totals, wrong := len(wanted), 0, 0
		err = each(ctx, js, "TOTALS", "totals.>", func(m jetstream.Msg) error {
			customer := strings.TrimPrefix(m.Subject(), "totals.")
			var got total
			if err := json.Unmarshal(m.Data(), &got); err != nil {
				return err
			}
			if list := wanted[customer]; len(list) == 0 || got != list[0] {
				wrong++
			} else {
				wanted[customer] = list[1:]
			}
			totals++
			return nil
		})
		if err != nil {
			return fmt.Errorf("read TOTALS: %w", err)
		}
		missing := 0
		for _, list := range wanted {
			missing += len(list)
		}
		fmt.Printf("%d orders of %d customers, %d totals: %d missing, %d wrong or doubled\n", orders, of, totals, missing, wrong)
		if missing+wrong > 0 {
			return fmt.Errorf("not every total is there once: is the job still at it?")
		}
		return nil
	})
}

// each goes through the messages that a stream has now.
func each(ctx context.Context, js jetstream.JetStream, stream, subjects string, do func(jetstream.Msg) error) error {
	consumer, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subjects}})
	if err != nil {
		return err
	}
	for {
		batch, err := consumer.FetchNoWait(1000)
		if err != nil {
			return err
		}
		got := 0
		for m := range batch.Messages() {
			if err := do(m); err != nil {
				return err
			}
			got++
		}
		if batch.Error() != nil || got == 0 {
			return batch.Error()
		}
	}
}
