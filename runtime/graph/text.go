package graph

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// WriteText prints the plan for people: its tasks, what operators keep, then the
// channels between tasks.
func (p *Plan) WriteText(w io.Writer) error {
	subtasks, channels := 0, int64(0)
	for _, t := range p.Tasks {
		subtasks += t.Parallelism
	}
	for _, e := range p.Edges {
		if !e.Chained {
			channels += p.channels(e)
		}
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "job %s/%s: %s, %s, %s; maxParallelism %d, bufferTimeout %s\n", p.Namespace, p.Job,
		count(int64(len(p.Tasks)), "task"), count(int64(subtasks), "subtask"), count(channels, "channel"), p.MaxParallelism, p.BufferTimeout)
	fmt.Fprintf(w, "checkpoints: %s\nrestart: %s\n\n", p.Checkpoint.text(), p.Restart.text())
	fmt.Fprintln(table, "TASK\tSUBTASKS\tOPERATOR\tFROM\tRUNS")
	for _, t := range p.Tasks {
		for i, index := range t.Operators {
			task, size := "", ""
			if i == 0 {
				task, size = fmt.Sprint(t.ID), fmt.Sprint(t.Parallelism)
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", task, size, p.Operators[index].Name, p.froms(index), p.Operators[index].runs())
		}
	}
	p.writeKept(table)
	if channels == 0 {
		return table.Flush()
	}
	fmt.Fprintln(table, "\nCHANNELS\tFROM\tTO\tBY")
	for _, e := range p.Edges {
		if !e.Chained {
			from, to := p.Operators[e.From], p.Operators[e.To]
			by := string(e.Partition)
			if e.First {
				by += ", first"
			}
			fmt.Fprintf(table, "%d\t%s.%s\t%s.%s\t%s\n", p.channels(e), from.Name, from.Outputs[e.Output], to.Name, to.Inputs[e.Input], by)
		}
	}
	return table.Flush()
}

// channels is how many there are of an edge between tasks.
func (p *Plan) channels(e Edge) int64 {
	from, to := int64(p.Operators[e.From].Parallelism), int64(p.Operators[e.To].Parallelism)
	if e.Partition == Forward {
		return from
	}
	return from * to
}

func (p *Plan) froms(operator int) string {
	var froms []string
	for _, e := range p.Edges {
		if e.To == operator {
			from := p.Operators[e.From]
			froms = append(froms, from.Name+"."+from.Outputs[e.Output])
		}
	}
	return strings.Join(froms, ", ")
}

func (o *Operator) runs() string {
	if o.Module == nil {
		return string(o.Role) + " " + o.Connector
	}
	return fmt.Sprintf("%s %.12s", filepath.Base(o.Module.Path), o.Module.SHA256)
}

func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
