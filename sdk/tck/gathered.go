package tck

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// gathered is everything that an instance gave out, in order, as text: a transcript.
type gathered struct {
	lines    []string
	rejected []operator.Rejection
	logs     []string
	metrics  []string
	batches  [][]byte // emitted to output 0
}

func (g *gathered) Emit(output int, batch []byte) error {
	if output == 0 {
		g.batches = append(g.batches, bytes.Clone(batch))
	}
	return g.take(fmt.Sprint(output), batch)
}

func (g *gathered) EmitTo(output, partition int, batch []byte) error {
	return g.take(fmt.Sprintf("%d/%d", output, partition), batch)
}

func (g *gathered) Reject(r operator.Rejection) error {
	g.rejected = append(g.rejected, r)
	return nil
}

func (g *gathered) take(output string, batch []byte) error {
	if _, err := record.Validate(batch); err != nil {
		return err
	}
	for c := record.NewCursor(batch); c.Next(); {
		g.lines = append(g.lines, line(output, &c.Record))
	}
	return nil
}

// line is a record as text: output, kind, time, key, value.
func line(output string, r *record.Record) string {
	at := fmt.Sprint(r.Timestamp)
	if r.Timestamp == record.NoTimestamp {
		at = "-"
	}
	value := fmt.Sprintf("%q", r.Value)
	if len(r.Value) > 200 && strings.Trim(string(r.Value), "x") == "" {
		value = fmt.Sprintf("%d x", len(r.Value))
	}
	return fmt.Sprintf("%s %s %s %q %s", output, r.Kind, at, r.Key, value)
}

// all is what was emitted to output 0, joined.
func (g *gathered) all() []byte { return bytes.Join(g.batches, nil) }

func (g *gathered) metric(kind int, name string, value float64) {
	g.metrics = append(g.metrics, fmt.Sprintf("%d %s %v", kind, name, value))
}

func (g *gathered) logger() *slog.Logger { return slog.New(logs{g}) }

// logs is a slog.Handler that keeps level and message.
type logs struct{ g *gathered }

func (l logs) Enabled(context.Context, slog.Level) bool { return true }
func (l logs) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l logs) WithGroup(string) slog.Handler            { return l }

func (l logs) Handle(_ context.Context, r slog.Record) error {
	l.g.logs = append(l.g.logs, r.Level.String()+" "+r.Message)
	return nil
}
