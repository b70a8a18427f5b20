package trial

import (
	"context"
	"encoding/json"
	"fmt"
)

// Plan is what `wasmill validate` says of a query, as far as it matters here.
type Plan struct {
	Job       string
	Operators []struct {
		Name    string
		Outputs []string
		Inputs  []string
		State   *struct{}
	}
	Edges []struct {
		From, Output int
		To           int
		Partition    string
	}
}

// Plan asks the binary.
func (l Lab) Plan(ctx context.Context, q Query) (p Plan, err error) {
	text, err := l.command(ctx, "validate", l.JobFile(q), "-o", "json")
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return p, fmt.Errorf("plan %s: %w", q.Name, err)
	}
	return p, nil
}

// WithBackend are the arguments by which all that has state keeps it there.
func (p *Plan) WithBackend(backend string) (args []string) {
	for _, o := range p.Operators {
		if o.State != nil {
			args = append(args, "--set", "operators."+o.Name+".state.backend="+backend)
		}
	}
	return args
}

// WithDiscard are the arguments that make `out` drop what it gets. What else is said of
// a sink is not for this one.
func (p *Plan) WithDiscard() []string {
	inputs := []map[string]string{}
	for _, e := range p.Edges {
		if p.Operators[e.To].Name == "out" {
			from := p.Operators[e.From]
			inputs = append(inputs, map[string]string{"from": from.Name + "." + from.Outputs[e.Output], "by": e.Partition})
		}
	}
	text, err := json.Marshal(map[string]any{"sink": "discard", "inputs": inputs})
	if err != nil {
		panic(err) // it is made of texts
	}
	return []string{"--set", "operators.out=" + string(text)}
}
