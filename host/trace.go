package host

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/wasmill/wasmill/host/internal/binary"
)

var tracedFunction = regexp.MustCompile(`\.\$(\d+)\(`)

// maxTrace is how many frames of a trap are told.
const maxTrace = 12

// trace makes the wasm stack trace of a trap readable: functions by the name and the
// index they have in the module as it was loaded.
func (m *Module) trace(trace string) string {
	if trace == "" {
		return ""
	}
	names := binary.FunctionNames(m.names)
	frames := strings.Split(trace, "\n\t")
	if len(frames) > maxTrace {
		frames = append(frames[:maxTrace], "…")
	}
	for n, frame := range frames {
		frames[n] = tracedFunction.ReplaceAllStringFunc(frame, func(match string) string {
			index, err := strconv.Atoi(match[2 : len(match)-1])
			if err != nil {
				return match
			}
			if index >= m.imported && !m.plain {
				index-- // the safepoint stands before it
			}
			if name, ok := names[uint32(index)]; ok {
				return name + "("
			}
			return "function " + strconv.Itoa(index) + "("
		})
	}
	return "\n\tat " + strings.Join(frames, "\n\tat ")
}
