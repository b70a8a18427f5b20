package main

import (
	"github.com/wasmill/wasmill/runtime/graph"
)

// refuseUnbuilt says which parts of a plan nobody runs yet: a job file that says them
// is right, and its job is not started.
func refuseUnbuilt(file string, plan *graph.Plan) error {
	var problems graph.Problems
	refuse := func(path, what string) {
		problems = append(problems, graph.Problem{File: file, Path: path, Message: what + " can be checked, but not run yet in this version of wasmill"})
	}
	if plan.Checkpoint.Unaligned {
		refuse("checkpoint.alignment", "unaligned checkpoints")
	}
	if len(problems) == 0 {
		return nil
	}
	return problems
}
