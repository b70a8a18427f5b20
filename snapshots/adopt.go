package snapshots

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/wasmill/wasmill/runtime/id"
)

// copiers is how many packs are copied at the same time.
const copiers = 8

// Adopt makes a checkpoint of this folder one of another job, or of another moment of
// the same: number n, taken by an attempt that runs nothing else. It copies the packs
// under names that are the job's own, unless both folders are the same one: then they
// are shared. The manifest it returns is not in the log yet.
//
// The number is above that of m and of all that the job had.
func (f Folder) Adopt(ctx context.Context, to Folder, m *Manifest, n uint64, attempt id.Attempt) (*Manifest, error) {
	if n <= m.Checkpoint {
		return nil, fmt.Errorf("adopt checkpoint %d: number %d is not above it", m.Checkpoint, n)
	}
	adopted, err := m.clone()
	if err != nil {
		return nil, fmt.Errorf("adopt checkpoint %d: %w", m.Checkpoint, err)
	}
	names := map[string]string{}
	if f != to {
		for i, name := range m.Packs() {
			names[name] = PackID{Checkpoint: n, Attempt: attempt, Subtask: i}.Name()
		}
	}
	if err := f.copyPacks(ctx, to, names); err != nil {
		return nil, fmt.Errorf("adopt checkpoint %d: %w", m.Checkpoint, err)
	}
	adopted.Checkpoint, adopted.Attempt, adopted.Savepoint = n, attempt, ""
	adopted.eachSection(func(s *Section) {
		if name := names[s.Pack]; name != "" {
			s.Pack = name
		}
	})
	// Later runs build on what is known under the checkpoint's number.
	for i := range adopted.Operators {
		for _, s := range adopted.Operators[i].Subtasks {
			for _, runs := range [][]Run{s.Runs, s.Heap} {
				for r := range runs {
					if runs[r].Checkpoint == m.Checkpoint {
						runs[r].Checkpoint = n
					}
				}
			}
		}
	}
	if err := to.Check(ctx, adopted, Quick); err != nil {
		return nil, fmt.Errorf("adopt checkpoint %d: %w", m.Checkpoint, err)
	}
	return adopted, nil
}

func (f Folder) copyPacks(ctx context.Context, to Folder, names map[string]string) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var group sync.WaitGroup
	slots := make(chan struct{}, copiers)
	for from, target := range names {
		slots <- struct{}{}
		group.Go(func() {
			if err := copyObject(ctx, f.Store, f.object(from), to.Store, to.object(target)); err != nil {
				stop(err) // the first one counts
			}
			<-slots
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// clone shares no memory with m.
func (m *Manifest) clone() (*Manifest, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	c := new(Manifest)
	return c, json.Unmarshal(data, c)
}
