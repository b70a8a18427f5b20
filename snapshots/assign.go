package snapshots

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/keygroup"
)

// Shape is an operator of the job that is to be restored.
type Shape struct {
	Name        string
	Parallelism int
	Module      string // SHA-256; "" if it has none
	Heap        bool   // images of its instances are in its checkpoints
	// Edges are those that lead into its task and out of it, as runtime/task names them.
	Edges []string
}

// Refusal says why a checkpoint is not restored into a job, and what would allow it.
type Refusal struct {
	Reason string
	Hint   string
}

func (r *Refusal) Error() string {
	if r.Hint == "" {
		return r.Reason
	}
	return fmt.Sprintf("%s (%s)", r.Reason, r.Hint)
}

// Fits tells whether a checkpoint can be restored into a job, with every Refusal at
// once. The state of operators in dropped may be lost; what is new in the job begins
// empty.
func (m *Manifest) Fits(job []Shape, maxParallelism int, dropped []string) error {
	var problems []error
	refuse := func(hint, format string, args ...any) {
		problems = append(problems, &Refusal{fmt.Sprintf(format, args...), hint})
	}
	if m.MaxParallelism != maxParallelism {
		refuse(fmt.Sprintf("set maxParallelism: %d", m.MaxParallelism),
			"maxParallelism is %d, that of checkpoint %d is %d: it is fixed for the life of the state", maxParallelism, m.Checkpoint, m.MaxParallelism)
	}
	var gone []string // edges
	for i := range m.Operators {
		o := &m.Operators[i]
		at := slices.IndexFunc(job, func(s Shape) bool { return s.Name == o.Name })
		switch {
		case at < 0 && o.HasState() && !slices.Contains(dropped, o.Name):
			refuse("--allow-dropped-state "+o.Name, "checkpoint %d has state of operator %q, which the job does not have", m.Checkpoint, o.Name)
		case at >= 0 && m.Unaligned && job[at].Parallelism != o.Parallelism:
			refuse(fmt.Sprintf("restore at parallelism %d and take an aligned checkpoint first", o.Parallelism),
				"checkpoint %d is unaligned, with operator %q at parallelism %d, not %d", m.Checkpoint, o.Name, o.Parallelism, job[at].Parallelism)
		}
		if at >= 0 {
			gone = o.withoutEdge(job[at], gone)
		}
		if at >= 0 && o.HasHeap() {
			m.fitsHeap(o, job[at], refuse)
		}
	}
	for _, edge := range gone {
		refuse("go on with the former job file and --set checkpoint.alignment=aligned until a checkpoint completes, then change it",
			"checkpoint %d is unaligned, with records in flight from %s, which is no channel of the job", m.Checkpoint, edge)
	}
	for _, name := range dropped {
		if m.Operator(name) == nil {
			refuse("", "the state of operator %q may be dropped, but checkpoint %d has none of that name", name, m.Checkpoint)
		}
	}
	return errors.Join(problems...)
}

// withoutEdge adds to gone the edges that had something in flight at the operator and
// that the job does not have.
func (o *Operator) withoutEdge(s Shape, gone []string) []string {
	for i := range o.Subtasks {
		for _, edge := range o.Subtasks[i].Caught {
			if !slices.Contains(s.Edges, edge) && !slices.Contains(gone, edge) {
				gone = append(gone, edge)
			}
		}
	}
	return gone
}

// fitsHeap refuses to restore images of instances into anything but their equals.
func (m *Manifest) fitsHeap(o *Operator, s Shape, refuse func(hint, format string, args ...any)) {
	anew := fmt.Sprintf("or give the operator another name and say --allow-dropped-state %s: it begins anew", o.Name)
	if !s.Heap {
		refuse("set state: {heap: true}, "+anew, "checkpoint %d has the heap of operator %q, which the job does not keep", m.Checkpoint, o.Name)
		return
	}
	if s.Module != o.Module {
		refuse("run that module, "+anew, "checkpoint %d has the heap of operator %q under module %s, the job has module %s: a heap is of one module", m.Checkpoint, o.Name, short(o.Module), short(s.Module))
	}
	if s.Parallelism != o.Parallelism {
		refuse(fmt.Sprintf("set its parallelism: %d, %s", o.Parallelism, anew),
			"checkpoint %d has the heap of operator %q at parallelism %d, not %d: heaps can't be divided", m.Checkpoint, o.Name, o.Parallelism, s.Parallelism)
	}
}

// short is enough of a hash to tell modules apart.
func short(hash string) string { return hash[:min(12, len(hash))] }

// Share is what one subtask restores.
type Share struct {
	Groups   Range
	Finished bool // it has nothing to do any more
	// Runs are the parts of its keyed state, oldest first, with no group of others.
	Runs []Run
	// Heap are the parts of its instance's image, oldest first. At another parallelism
	// than it was taken at there is none.
	Heap []Run
	// Tables are operator tables, by the subtask that wrote them.
	Tables []TableShare
	// Splits of a source, sorted by id.
	Splits []json.RawMessage
	// Time has the watermarks' state of each subtask it continues: the minimum counts.
	Time []json.RawMessage
	// Transactions are to be committed, which may have happened before.
	Transactions [][]byte
	// InFlight is what an unaligned checkpoint caught.
	InFlight *Section
}

// TableShare is what one former subtask's operator tables give to a subtask.
type TableShare struct {
	Section
	From int // the former subtask
	// Split, Union and Broadcast tell which tables to take, by their scope.
	Split, Union, Broadcast bool
	// Spread tells that of split tables not all is taken, but every entry whose number,
	// counted from 0 within its table over all shares in order, is the subtask's modulo
	// the parallelism.
	Spread bool
}

// Assign says what a subtask of an operator restores at a parallelism; the manifest Fits.
// Nil: the checkpoint does not know the operator, which begins empty. Over all subtasks,
// every key group, split and transaction is given out exactly once.
func (m *Manifest) Assign(operator string, parallelism, subtask int) (*Share, error) {
	o := m.Operator(operator)
	if o == nil {
		return nil, nil
	}
	if err := o.whole(m.MaxParallelism); err != nil {
		return nil, fmt.Errorf("assign state of operator %q in checkpoint %d: %w", operator, m.Checkpoint, err)
	}
	if parallelism < 1 || parallelism > m.MaxParallelism || subtask < 0 || subtask >= parallelism {
		return nil, fmt.Errorf("assign state of operator %q: no subtask %d of %d", operator, subtask, parallelism)
	}
	first, end := keygroup.Range(subtask, parallelism, m.MaxParallelism)
	share := &Share{Groups: Range{first, end}, Finished: true}
	same := parallelism == o.Parallelism
	var splits []split
	for _, s := range o.Subtasks {
		mine := same && s.Index == subtask
		share.Finished = share.Finished && (s.Finished || same && !mine)
		if !s.Finished {
			share.Runs = append(share.Runs, runsOf(s.Runs, first, end)...)
			if s.Tables != nil {
				share.Tables = append(share.Tables, TableShare{
					Section: *s.Tables, From: s.Index,
					Split: !same || mine, Spread: !same, Union: true,
					Broadcast: s.Index == o.teller(subtask, same),
				})
			}
			if len(s.Time) > 0 && (!same || mine) {
				share.Time = append(share.Time, s.Time)
			}
		}
		if mine {
			share.InFlight = s.InFlight
		}
		if mine && !s.Finished {
			share.Heap = s.Heap
		}
		if s.Index%parallelism == subtask {
			share.Transactions = append(share.Transactions, s.Transactions...)
		}
		if !same || mine {
			more, err := parseSplits(s.Splits)
			if err != nil {
				return nil, fmt.Errorf("assign splits of operator %q: %w", operator, err)
			}
			splits = append(splits, more...)
		}
	}
	slices.SortFunc(splits, func(a, b split) int { return cmp.Compare(a.id, b.id) })
	for i, s := range splits {
		if same || i%parallelism == subtask {
			share.Splits = append(share.Splits, s.raw)
		}
	}
	return share, nil
}

// teller is the former subtask that gives a subtask its broadcast tables: all have the
// same, but for those that finished.
func (o *Operator) teller(subtask int, same bool) int {
	if same && !o.Subtasks[subtask].Finished {
		return subtask
	}
	for i := range o.Subtasks {
		if s := &o.Subtasks[(subtask+i)%len(o.Subtasks)]; !s.Finished && s.Tables != nil {
			return s.Index
		}
	}
	return -1
}

// whole checks that an operator's subtasks are all there and own each group once.
func (o *Operator) whole(maxParallelism int) error {
	if len(o.Subtasks) != o.Parallelism || o.Parallelism < 1 || o.Parallelism > maxParallelism {
		return fault.Corruptf("%d subtasks at parallelism %d of %d", len(o.Subtasks), o.Parallelism, maxParallelism)
	}
	for i, s := range o.Subtasks {
		first, end := keygroup.Range(i, o.Parallelism, maxParallelism)
		if s.Index != i || s.Groups != (Range{first, end}) {
			return fault.Corruptf("subtask %d with groups [%d,%d) where %d with [%d,%d) is expected", s.Index, s.Groups.First, s.Groups.End, i, first, end)
		}
		for _, r := range s.Runs {
			for _, g := range r.Groups {
				if g.Group < first || g.Group >= end {
					return fault.Corruptf("subtask %d has a run with group %d, its own are [%d,%d)", i, g.Group, first, end)
				}
			}
		}
	}
	return nil
}

// runsOf cuts runs to the groups in [first, end).
func runsOf(runs []Run, first, end int) (cut []Run) {
	for _, r := range runs {
		var groups Groups
		for _, g := range r.Groups {
			if first <= g.Group && g.Group < end {
				groups = append(groups, g)
			}
		}
		if len(groups) > 0 {
			r.Groups = groups
			cut = append(cut, r)
		}
	}
	return cut
}

type split struct {
	id  string
	raw json.RawMessage
}

func parseSplits(list json.RawMessage) (splits []split, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(list, &raw); err != nil {
		return nil, fault.Corruptf("%w", err)
	}
	for _, r := range raw {
		var named struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(r, &named); err != nil {
			return nil, fault.Corruptf("%w", err)
		}
		splits = append(splits, split{named.ID, r})
	}
	return splits, nil
}
