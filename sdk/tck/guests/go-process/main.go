// Command go-process is the process guest of sdk/tck in Go.
package main

import (
	"bytes"
	"errors"
	"strconv"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/config"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	g := &guest{}
	return wasmill.Operator{
		Name: "tck", Version: "1", KeepsKey: true,
		Inputs: []string{"left", "right"}, Outputs: []string{"out", "side"},
		ConfigSchema: `{"type":"object","properties":{"prefix":{"type":"string"}},"additionalProperties":false}`,
		Open:         func(c *wasmill.Context) error { return config.Decode(c, &g.settings) },
		Process:      g.process,
		Flush:        g.flush,
		End:          g.end,
	}
}

type guest struct {
	settings  struct{ Prefix string }
	processed int
	sum       int
	held      [][]byte
}

func (g *guest) process(c *wasmill.Context, r *wasmill.Record) error {
	g.processed++
	number := func() int { n, _ := strconv.Atoi(string(r.Value)); return n }
	emit := func(value string) { r.Value = []byte(value); c.Emit(r) }
	switch string(r.Key) {
	case "side":
		c.Out(1).Emit(r)
	case "both":
		c.Emit(r)
		c.Out(1).Emit(r)
	case "none":
	case "input":
		emit(strconv.Itoa(c.Input()))
	case "partition":
		c.Out(0).EmitTo(number(), r)
	case "reject":
		return c.Reject(string(r.Value))
	case "fail":
		return errors.New(string(r.Value))
	case "trap":
		panic("as asked")
	case "log":
		c.Log(wasmill.Warn, string(r.Value))
	case "metric":
		c.Count("tck.count", 1)
		c.Gauge("tck.gauge", 2.5)
		c.Observe("tck.histogram", 3)
	case "now":
		emit(strconv.FormatInt(c.Now(), 10))
	case "config":
		emit(g.settings.Prefix)
	case "settings":
		emit(c.Operator + " " + strconv.Itoa(c.Subtask) + " " + strconv.Itoa(c.Parallelism) + " " +
			strconv.Itoa(c.MaxParallelism) + " " + strconv.FormatBool(c.Restored))
	case "large":
		r.Value = bytes.Repeat([]byte("x"), number())
		c.Emit(r)
	case "many":
		for n := range number() {
			emit(strconv.Itoa(n))
		}
	case "sum":
		g.sum += number()
		emit(strconv.Itoa(g.sum))
	case "hold":
		g.held = append(g.held, bytes.Clone(r.Value))
	default:
		c.Emit(r)
	}
	return nil
}

func (g *guest) flush(c *wasmill.Context) error {
	for _, value := range g.held {
		c.Emit(&wasmill.Record{Timestamp: wasmill.NoTimestamp, Key: []byte("held"), Value: value})
	}
	g.held = nil
	return nil
}

func (g *guest) end(c *wasmill.Context) error {
	c.Emit(&wasmill.Record{Timestamp: wasmill.NoTimestamp, Key: []byte("ended"), Value: []byte(strconv.Itoa(g.processed))})
	return nil
}
