package graph

// chain decides which operators share a task: a receiver joins its sender if the edge
// is forward, the parallelism equal, and nothing else comes in. One sender may have
// several receivers chained; who has several inputs starts a task.
func (p *Plan) chain() {
	incoming := make([]int, len(p.Operators))
	only := make([]*Edge, len(p.Operators))
	for i := range p.Edges {
		e := &p.Edges[i]
		incoming[e.To]++
		only[e.To] = e
	}
	task := make([]int, len(p.Operators))
	for i, o := range p.Operators {
		e := only[i]
		if incoming[i] == 1 && e.Partition == Forward && p.Operators[e.From].Parallelism == o.Parallelism {
			e.Chained = true
			task[i] = task[e.From]
			p.Tasks[task[i]].Operators = append(p.Tasks[task[i]].Operators, i)
			continue
		}
		task[i] = len(p.Tasks)
		p.Tasks = append(p.Tasks, Task{ID: task[i], Operators: []int{i}, Parallelism: o.Parallelism})
	}
}
