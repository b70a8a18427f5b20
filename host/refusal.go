package host

import (
	"fmt"
	"strings"
)

// Refusal says why a module can't be run. It is found before any record flows.
type Refusal struct {
	Module   string // start of the hash; the caller knows the path
	Function string // the import, export, function or section concerned, if any
	Reason   string // what is wrong
	Expected string // type or value, where there is one
	Found    string
	Hint     string // what to do
	Err      error  // the cause, if it was a fault of the guest
}

func (r *Refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "module %s: ", r.Module)
	if r.Function != "" {
		fmt.Fprintf(&b, "%s: ", r.Function)
	}
	b.WriteString(r.Reason)
	if r.Expected != "" {
		fmt.Fprintf(&b, ": expected %s, found %s", r.Expected, r.Found)
	}
	if r.Err != nil {
		fmt.Fprintf(&b, ": %v", r.Err)
	}
	if r.Hint != "" {
		fmt.Fprintf(&b, " (%s)", r.Hint)
	}
	return b.String()
}

func (r *Refusal) Unwrap() error { return r.Err }
