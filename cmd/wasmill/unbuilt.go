package main

import (
	"fmt"

	"github.com/wasmill/wasmill/runtime/graph"
)

// refuseUnbuilt says which parts of a plan nobody runs yet: a job file that says them
// is right, and its job is not started.
func refuseUnbuilt(file string, plan *graph.Plan) error {
	var problems graph.Problems
	refuse := func(path, what string) {
		problems = append(problems, graph.Problem{File: file, Path: path, Message: what + " can be checked, but not run yet in this version of wasmill"})
	}
	for i := range plan.Operators {
		op := &plan.Operators[i]
		path := "operators." + op.Name
		if op.Watermark != nil {
			refuse(path+".watermark", "watermarks")
		}
		if op.Window != nil {
			refuse(path+".window", "windows")
		}
		if op.State != nil && len(op.State.Tables) > 0 {
			refuse(path+".state", "tables")
		}
	}
	for _, e := range plan.Edges {
		if e.First {
			refuse(fmt.Sprintf("operators.%s.inputs", plan.Operators[e.To].Name), "first inputs")
		}
	}
	if r := plan.Checkpoint.Retain; r.OnCancel == graph.Delete || r.OnFailure == graph.Delete {
		refuse("checkpoint.retain", "checkpoints that are deleted with their job")
	}
	if plan.Checkpoint.Unaligned {
		refuse("checkpoint.alignment", "unaligned checkpoints")
	}
	if len(problems) == 0 {
		return nil
	}
	return problems
}
