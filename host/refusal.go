package host

import (
	"fmt"
	"strings"
)

// Refusal says why a module can't be run. It is found before any record flows.
type Refusal struct {
	Module   string // hash, shortened; the caller knows the path
	Function string // import or export concerned, if any
	Expected string
	Found    string
	Reason   string // what is wrong, if expected and found don't say it
	Hint     string // what to do
}

func (r *Refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "module %s: ", r.Module)
	if r.Function != "" {
		fmt.Fprintf(&b, "%s: ", r.Function)
	}
	b.WriteString(r.Reason)
	if r.Expected != "" {
		fmt.Fprintf(&b, " expected %s, found %s", r.Expected, r.Found)
	}
	if r.Hint != "" {
		fmt.Fprintf(&b, " (%s)", r.Hint)
	}
	return b.String()
}
