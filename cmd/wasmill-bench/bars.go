package main

import "github.com/wasmill/wasmill/runtime/exchange"

// bound says which side of a bar is good.
type bound string

const (
	atMost  bound = "at most"
	atLeast bound = "at least"
	noBar   bound = "" // told for understanding, not judged
)

// bar is what a figure is held against.
type bar struct {
	name  string
	bound bound
	limit float64
	unit  string
}

// The names of the bars, as measurements use them.
const (
	recordCursor        = "record cursor"
	recordCursorAllocs  = "record cursor, allocations"
	recordBuilder       = "record builder, 100 B values"
	recordBuilderAllocs = "record builder, allocations"
	hostCall            = "host call, empty batch, empty C guest"
	hostCallAllocs      = "host call, allocations"
	safepointsMedian    = "safepoints on against off, median kernel"
	safepointsWorst     = "safepoints on against off, worst kernel"
	chainC              = "C pass-through, chained, one core"
	chainCPerCPU        = "C pass-through, chained, per CPU second"
	chainGo             = "Go pass-through, chained, one core"
	chainGoPerCPU       = "Go pass-through, chained, per CPU second"
	queueC              = "C by key, local queues, 2 subtasks"
	queueCPerCPU        = "C by key, local queues, per CPU second"
	natsC               = "C by key, 2 worker processes over NATS"
	natsShare           = "the same, bytes against bare nats.go"
	natsOneWay          = "C, every record over NATS"
	natsOneWayShare     = "the same, bytes on the wire against bare nats.go"
	bareNATS            = "bare nats.go, 32 KiB messages"
	latencyP50          = "latency at half load over NATS, p50"
	latencyP99          = "latency at half load over NATS, p99"
	stallGrowth         = "receiver stalled 60 s, sender's growth"
	stallFlow           = "receiver stalled 60 s, slowest 5 s of its neighbour"
	stallArrived        = "receiver stalled 60 s, records that arrive"
	loopStopped         = "endless loop, stopped after"
	loopNeighbour       = "endless loop, p99 of the guest beside it"
	countC              = "keyed count in C, memory, 1 M keys"
	countCPerCPU        = "keyed count in C, per CPU second"
	countGo             = "keyed count in Go, memory, 1 M keys"
	countGoPerCPU       = "keyed count in Go, per CPU second"
	countDisk           = "keyed update in C, disk, state twice the process's memory, 200 B values"
	countDiskPerCPU     = "keyed update in C, disk, per CPU second"
	countDiskMemory     = "keyed update in C, disk, most memory of the process, of its limit"
	countTight          = "keyed update in C, disk, state twice the memory of process and page cache"
	countTightPerCPU    = "keyed update in C, disk, tight, per CPU second"
	tumblingC           = "tumbling count per key in C"
	tumblingPerCPU      = "tumbling count per key in C, per CPU second"
	slidingC            = "sliding 10 s by 1 s, C"
	slidingShare        = "sliding 10 s by 1 s against tumbling"
	pauseP99            = "1 GB of state, pause at a barrier, p99"
	checkpointNone      = "1 GB of state, no checkpoints"
	checkpointShare     = "1 GB of state, checkpoint every 5 s against none"
	checkpointP50       = "1 GB of state, latency at half load, p50"
	checkpointP99       = "1 GB of state, latency at half load, p99"
	deltaBytes          = "1 % of 1 GB changed, bytes of the checkpoint"
	deltaDir            = "1 % of 1 GB changed, checkpoint to a folder"
	deltaMinIO          = "1 % of 1 GB changed, checkpoint to MinIO"
	restoreTime         = "restore of 1 GB from a folder, to the first row"
	strikeTime          = "kill -9 of a worker, 100 MB of state, to new output"
	keyBytes            = "memory per key, 16 B key, 8 B value"
	storeObjects        = "1,000 checkpoints, most objects in the store"
	storeGrowth         = "1,000 checkpoints, objects in the second half"
	storeWrong          = "1,000 checkpoints, objects missing or dangling"
	heapPause           = "heap of 64 MiB, 1 % dirty, userfaultfd, pause p99"
	heapHashPause       = "heap of 64 MiB, 1 % dirty, hashes, pause p99"
	heapDirty           = "heap of 64 MiB, pages written between checkpoints"
	heapUpload          = "heap of 64 MiB, userfaultfd, upload per checkpoint"
	heapHashUpload      = "heap of 64 MiB, hashes, upload per checkpoint"
	heapLargePause      = "heap of 1 GiB, 1 % dirty, userfaultfd, pause p99"
	heapLargeUpload     = "heap of 1 GiB, userfaultfd, upload per checkpoint"
	heapNone            = "heap of 64 MiB, no checkpoints"
	heapShare           = "heap of 64 MiB, checkpoint every second against none"
	heapShareCPU        = "heap of 64 MiB, the same, per CPU second"
	heapRestoreTime     = "restore of a heap of 256 MiB from a folder"
	heapFirstRow        = "the same, from the start of wasmill to the first row"
	nexmarkGenerator    = "nexmark-generator, per CPU second"
	streamRate          = "JetStream to JetStream, 200 B, exactly once"
	streamBare          = "bare consume and publish, the same batches"
	streamShare         = "JetStream to JetStream against bare"
	firstRecord         = "run to first record, warm cache, Go guest of 2 MB"
	freshJob            = "make run on a fresh machine, the job"
	freshRest           = "make run on a fresh machine, download and compile"
	binarySize          = "wasmill binary"
)

// bars are in the order of the report.
var bars = []bar{
	{recordCursor, atMost, 8, "ns/record"},
	{recordCursorAllocs, atMost, 0, "allocs/op"},
	{recordBuilder, atMost, 20, "ns/record"},
	{recordBuilderAllocs, atMost, 0, "allocs/op"},
	{hostCall, atMost, 150, "ns"},
	{hostCallAllocs, atMost, 0, "allocs/op"},
	{safepointsMedian, atMost, 1.25, "×"},
	{safepointsWorst, atMost, 2, "×"},
	{chainC, atLeast, 10e6, "records/s"},
	{chainCPerCPU, noBar, 0, "records/CPU s"},
	{chainGo, atLeast, 4e6, "records/s"},
	{chainGoPerCPU, noBar, 0, "records/CPU s"},
	{queueC, atLeast, 6e6, "records/s"},
	{queueCPerCPU, noBar, 0, "records/CPU s"},
	{natsC, atLeast, 2.5e6, "records/s"},
	{natsShare, atLeast, 0.5, "×"},
	{natsOneWay, noBar, 0, "records/s"},
	{natsOneWayShare, noBar, 0, "×"},
	{bareNATS, noBar, 0, "bytes/s"},
	{latencyP50, noBar, 0, "ms"},
	{latencyP99, atMost, 20, "ms"},
	{stallGrowth, atMost, 16 + exchange.DefaultCredit>>20, "MiB"},
	{stallFlow, atLeast, 0.9, "× its rate"},
	{stallArrived, atLeast, 1, "× sent"},
	{loopStopped, atMost, 2, "× cpuPerBatch"},
	{loopNeighbour, atMost, 2, "× alone"},
	{countC, atLeast, 2.5e6, "records/s"},
	{countCPerCPU, noBar, 0, "records/CPU s"},
	{countGo, atLeast, 1.2e6, "records/s"},
	{countGoPerCPU, noBar, 0, "records/CPU s"},
	{countDisk, atLeast, 150e3, "records/s"},
	{countDiskPerCPU, noBar, 0, "records/CPU s"},
	{countDiskMemory, atMost, 1, "×"},
	{countTight, noBar, 0, "records/s"},
	{countTightPerCPU, noBar, 0, "records/CPU s"},
	{tumblingC, atLeast, 2e6, "records/s"},
	{tumblingPerCPU, noBar, 0, "records/CPU s"},
	{slidingC, noBar, 0, "records/s"},
	{slidingShare, atLeast, 0.6, "×"},
	{pauseP99, atMost, 10, "ms"},
	{checkpointNone, noBar, 0, "records/s"},
	{checkpointShare, atLeast, 0.9, "×"},
	{checkpointP50, noBar, 0, "ms"},
	{checkpointP99, atMost, 50, "ms"},
	{deltaBytes, atMost, 3, "% of a full one"},
	{deltaDir, atMost, 1, "s"},
	{deltaMinIO, atMost, 2, "s"},
	{restoreTime, atMost, 5, "s"},
	{strikeTime, atMost, 5, "s"},
	{keyBytes, atMost, 64, "B"},
	{storeObjects, noBar, 0, "objects"},
	{storeGrowth, atMost, 1.1, "× of the first"},
	{storeWrong, atMost, 0, "objects"},
	{heapPause, atMost, 5, "ms"},
	{heapHashPause, atMost, 15, "ms"},
	{heapDirty, noBar, 0, "%"},
	{heapUpload, atMost, 3, "MB"},
	{heapHashUpload, noBar, 0, "MB"},
	{heapLargePause, atMost, 20, "ms"},
	{heapLargeUpload, noBar, 0, "MB"},
	{heapNone, noBar, 0, "records/s"},
	{heapShare, atLeast, 0.9, "×"},
	{heapShareCPU, noBar, 0, "×"},
	{heapRestoreTime, atMost, 1, "s"},
	{heapFirstRow, noBar, 0, "s"},
	{nexmarkGenerator, atLeast, 6e6, "events/CPU s"},
	{streamRate, atLeast, 100e3, "records/s"},
	{streamBare, noBar, 0, "records/s"},
	{streamShare, atLeast, 0.6, "×"},
	{firstRecord, atMost, 400, "ms"},
	{freshJob, atMost, 2, "s"},
	{freshRest, noBar, 0, "s"},
	{binarySize, atMost, 60, "MB"},
}
