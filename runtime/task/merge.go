package task

import (
	"fmt"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/fault"
)

// merge keeps what a task with several channels knows of each: a step machine, fed
// with controls.
type merge struct {
	inputs []Input // by channel
	ended  []bool  // by channel
	open   int
}

func newMerge(inputs []Input) merge {
	return merge{inputs: inputs, ended: make([]bool, len(inputs)), open: len(inputs)}
}

// control takes a control element of a channel; done when every channel has ended.
func (m *merge) control(channel int, kind exchange.Kind) (done bool, err error) {
	if m.ended[channel] {
		return false, fault.Corruptf("channel %d: %v behind the end of input", channel, kind)
	}
	if kind != exchange.End {
		return false, fault.Corruptf("channel %d: unexpected control element %v", channel, fmt.Sprint(kind))
	}
	m.ended[channel] = true
	m.open--
	return m.open == 0, nil
}
