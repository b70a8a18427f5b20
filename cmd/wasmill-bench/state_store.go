package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
)

const manyCheckpoints = 1000

const manyJob = `version: 1
job: many
parallelism: 2
checkpoint: {interval: 10ms, retain: {count: 3}}
operators:
  in: {source: generator, with: {rate: 50000, keys: 100000, valueSize: 100}}
  count: {module: %s, inputs: [{from: in, by: key}]}
  out: {sink: discard, inputs: [count]}
`

// measureStateStore counts the objects in a store while a job takes many checkpoints,
// and looks for what is missing or dangling.
func measureStateStore(ctx context.Context, l *lab) error {
	store, drop, err := l.store()
	if err != nil {
		return err
	}
	defer drop()
	j, err := l.start(ctx, "many", fmt.Sprintf(manyJob, filepath.Join(l.root, moduleRunningC)), store, liveOptions{})
	if err != nil {
		return err
	}
	defer j.kill()
	h, err := openHistory(store, "many")
	if err != nil {
		return err
	}
	most := [2]int{} // of objects, in the first and the second half
	wrong := 0
	err = j.wait(ctx, fmt.Sprintf("complete %d checkpoints", manyCheckpoints), func() (bool, error) {
		state, err := h.log.Read(ctx)
		if err != nil {
			return false, err
		}
		n, err := h.count(ctx)
		if err != nil {
			return false, err
		}
		half := &most[min(2*state.Last/manyCheckpoints, 1)]
		*half = max(*half, n)
		missing, err := h.missing(ctx, &state)
		wrong += missing
		return state.Last >= manyCheckpoints, err
	})
	if err != nil {
		return err
	}
	if _, err := j.cancel(); err != nil {
		return err
	}
	left, err := h.leftOver(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "  at most %d objects in the first half, %d in the second; %d missing, %d dangling\n", most[0], most[1], wrong, left)
	l.add(storeObjects, float64(max(most[0], most[1])))
	l.add(storeGrowth, float64(most[1])/float64(most[0]))
	l.add(storeWrong, float64(wrong+left))
	return nil
}

// count is the number of objects of the job.
func (h *history) count(ctx context.Context) (n int, err error) {
	for _, err := range h.folder.Store.List(ctx, h.folder.Path+"/") {
		if err != nil {
			return 0, fmt.Errorf("count objects: %w", err)
		}
		n++
	}
	return n, nil
}

// missing is 1 if the newest checkpoint lacks something, although it is still retained
// after that was noticed.
func (h *history) missing(ctx context.Context, state *snapshots.State) (int, error) {
	newest := state.Newest()
	if newest == nil {
		return 0, nil
	}
	wrong := h.folder.Check(ctx, &newest.Manifest, snapshots.Quick)
	if wrong == nil {
		return 0, nil
	}
	now, err := h.log.Read(ctx)
	if err != nil || now.Find(newest.Manifest.Checkpoint) == nil {
		return 0, err
	}
	fmt.Fprintf(os.Stderr, "  checkpoint %d: %v\n", newest.Manifest.Checkpoint, wrong)
	return 1, nil
}

// leftOver reads every retained checkpoint from end to end, and counts those with
// something missing, and the packs that none of them names.
func (h *history) leftOver(ctx context.Context) (n int, err error) {
	state, err := h.log.Read(ctx)
	if err != nil {
		return 0, err
	}
	for _, c := range state.Checkpoints {
		if err := h.folder.Check(ctx, &c.Manifest, snapshots.Full); err != nil {
			fmt.Fprintf(os.Stderr, "  checkpoint %d: %v\n", c.Manifest.Checkpoint, err)
			n++
		}
	}
	var packs []snapshots.Object
	for o, err := range h.folder.Store.List(ctx, h.folder.Path+"/packs/") {
		if err != nil {
			return 0, fmt.Errorf("list packs: %w", err)
		}
		o.Name = strings.TrimPrefix(o.Name, h.folder.Path+"/")
		packs = append(packs, o)
	}
	// Nobody runs any more: nothing is in flight.
	return n + len(snapshots.Garbage(&state, packs, id.Attempt{Term: state.Term, Number: math.MaxUint32})), nil
}
