package host

import (
	"bytes"
	"context"
	"log/slog"
	"strings"

	"github.com/wasmill/wasmill/sdk/abi"
)

var levels = [...]slog.Level{
	abi.LogDebug: slog.LevelDebug, abi.LogInfo: slog.LevelInfo, abi.LogWarn: slog.LevelWarn, abi.LogError: slog.LevelError,
}

// maxLinesPerCall bounds what one call can pour into the log.
const maxLinesPerCall = 1000

func (i *Instance) log(level int, text string) {
	if i.lines++; i.lines > maxLinesPerCall {
		return
	}
	i.logger.Log(context.Background(), levels[level], text)
}

// output makes log lines of what a guest prints to a descriptor.
type output struct {
	level   int
	partial []byte
	last    []string // lines that tell why the guest ended
}

const (
	maxLine      = 4096
	maxLastLines = 12
)

func (o *output) write(i *Instance, b []byte) {
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			o.add(b)
			return
		}
		o.add(b[:end])
		o.line(i)
		b = b[end+1:]
	}
}

// add keeps the first bytes of a line; the rest of a very long one is dropped.
func (o *output) add(b []byte) {
	o.partial = append(o.partial, b[:min(len(b), maxLine-len(o.partial))]...)
}

func (o *output) line(i *Instance) {
	text := strings.ToValidUTF8(string(o.partial), "\uFFFD")
	o.partial = o.partial[:0]
	if text == "" {
		return
	}
	i.log(o.level, text)
	// From the line that tells the reason on, the first lines count; before, the last.
	reason := strings.HasPrefix(text, "panic:") || strings.HasPrefix(text, "fatal error:")
	if reason && !o.told() {
		o.last = o.last[:0]
	} else if len(o.last) == maxLastLines {
		if o.told() {
			return
		}
		copy(o.last, o.last[1:])
		o.last = o.last[:maxLastLines-1]
	}
	o.last = append(o.last, text)
}

func (o *output) told() bool {
	return len(o.last) > 0 && (strings.HasPrefix(o.last[0], "panic:") || strings.HasPrefix(o.last[0], "fatal error:"))
}

// settle ends the lines that a call left open: no output is held between calls.
func (i *Instance) settle() {
	for n := range i.output {
		if len(i.output[n].partial) > 0 {
			i.output[n].line(i)
		}
	}
	if i.lines > maxLinesPerCall {
		i.logger.Warn("dropped log lines of a call", "lines", i.lines-maxLinesPerCall)
	}
	i.lines = 0
}
