package main

import (
	"math/rand/v2"
	"os"
	"testing"
)

// heapJobs keep what they know in variables, in three languages: under garbage collectors,
// in containers of C++ (beside a table, and compared with it), in a source whose position
// is a variable, behind windows.
var heapJobs = []struckJob{
	{name: "heap-go", column: 1, times: 1, operators: `
  op: {module: GUESTS/heapgo.wasm, inputs: [{from: in, by: key}], state: {heap: true}}`},
	{name: "heap-cpp", column: 1, times: 1, operators: `
  op: {module: GUESTS/heapcpp.wasm, inputs: [{from: in, by: key}], state: {heap: true}}`},
	{name: "heap-assemblyscript", column: 1, times: 1, operators: `
  op: {module: GUESTS/heapas.wasm, inputs: [{from: in, by: key}], state: {heap: true}}`},
	{name: "heap-source", column: 1, times: 2, operators: `
  pump: {module: GUESTS/pump.wasm, parallelism: 1, config: {records: RECORDS}, state: {heap: true}}
  op: {module: GUESTS/heapcpp.wasm, inputs: [{from: in, by: key}, {from: pump, by: key}], state: {heap: true}}`},
	{name: "heap-window", column: 4, times: 1, operators: `
  op: {module: GUESTS/fold.wasm, inputs: [{from: in, by: key}], window: {tumbling: 200ms}, state: {heap: true}}`},
	{name: "heap-unaligned", column: 1, times: 1, alignment: "unaligned", operators: `
  op: {module: GUESTS/heapgo.wasm, inputs: [{from: in, by: key}], state: {heap: true}}`},
}

// Row 1 and 22 of the faults, over programs that know no state API: killed at random
// moments and in chosen phases of a checkpoint, their output is that of the same job
// without faults.
func TestHeapFaults(t *testing.T) {
	p, seeds := pace{seconds: 4, rate: 10_000, kills: 4}, []uint64{1}
	if os.Getenv("WASMILL_SOAK") != "" {
		p, seeds = pace{seconds: 20, rate: 5_000, kills: 12}, []uint64{rand.Uint64(), rand.Uint64(), rand.Uint64()}
	}
	strikeAll(t, heapJobs, p, seeds)
}
