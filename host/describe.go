package host

import (
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/wasmill/wasmill/sdk/abi"
)

const (
	maxDescription = 1 << 20 // bytes of JSON
	maxPorts       = 256     // inputs or outputs
	maxTables      = 200
)

var (
	modulePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	portPattern   = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)
)

// parseDescription reads what wasmill_describe answered. The error says what is wrong
// with it; unknown fields are a newer SDK's and left alone.
func parseDescription(text []byte) (abi.Description, error) {
	var d abi.Description
	if err := json.Unmarshal(text, &d); err != nil {
		return d, fmt.Errorf("is not a JSON object of the expected form: %w", err)
	}
	if d.ABI != abi.Version {
		return d, fmt.Errorf("says abi %d, this host speaks %d", d.ABI, abi.Version)
	}
	if !modulePattern.MatchString(d.Name) {
		return d, fmt.Errorf("says name %q, which is no name", cut(d.Name))
	}
	switch d.Shape {
	case abi.ShapeProcess, abi.ShapeAggregate, abi.ShapeApply:
		if len(d.Inputs) == 0 {
			return d, fmt.Errorf("names no inputs, shape %s has at least one", d.Shape)
		}
		if d.Shape == abi.ShapeAggregate && len(d.Inputs) > 1 {
			return d, fmt.Errorf("names %d inputs, shape aggregate has one", len(d.Inputs))
		}
	case abi.ShapeSource:
		if len(d.Inputs) != 0 {
			return d, fmt.Errorf("names inputs, shape source has none")
		}
	default:
		return d, fmt.Errorf("says shape %q, which is not one of process, source, aggregate, apply", cut(string(d.Shape)))
	}
	if err := checkPorts("input", d.Inputs); err != nil {
		return d, err
	}
	if err := checkPorts("output", d.Outputs); err != nil {
		return d, err
	}
	if err := checkTables(&d); err != nil {
		return d, err
	}
	if len(d.Config) > 0 {
		var schema map[string]json.RawMessage
		if err := json.Unmarshal(d.Config, &schema); err != nil {
			return d, fmt.Errorf("has a config that is not a JSON Schema object: %w", err)
		}
		if schema == nil {
			d.Config = nil
		}
	}
	return d, nil
}

func checkPorts(kind string, names []string) error {
	if len(names) > maxPorts {
		return fmt.Errorf("names %d %ss, more than %d", len(names), kind, maxPorts)
	}
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if !portPattern.MatchString(name) {
			return fmt.Errorf("names an %s %q; a name is a-z, 0-9, '_' and '-', from a letter on, up to 63", kind, cut(name))
		}
		if seen[name] {
			return fmt.Errorf("names %s %q twice", kind, name)
		}
		seen[name] = true
	}
	return nil
}

// checkTables checks what a module says of its tables.
func checkTables(d *abi.Description) error {
	if len(d.Tables) > maxTables {
		return fmt.Errorf("declares %d tables, more than %d", len(d.Tables), maxTables)
	}
	if len(d.Tables) > 0 && d.Shape == abi.ShapeAggregate {
		return fmt.Errorf("declares tables, shape aggregate has none: its accumulators are its state")
	}
	seen := make(map[string]bool, len(d.Tables))
	for _, t := range d.Tables {
		switch t.Scope {
		case abi.ScopeKey:
			if d.Shape == abi.ShapeSource {
				return fmt.Errorf("declares table %q by key, and a source has no input that has one", cut(t.Name))
			}
		case abi.ScopeSplit, abi.ScopeUnion, abi.ScopeBroadcast:
		default:
			return fmt.Errorf("declares table %q of scope %q, which is not one of key, split, union, broadcast", cut(t.Name), cut(string(t.Scope)))
		}
		if !portPattern.MatchString(t.Name) {
			return fmt.Errorf("declares a table %q; a name is a-z, 0-9, '_' and '-', from a letter on, up to 63", cut(t.Name))
		}
		if seen[t.Name] {
			return fmt.Errorf("declares table %q twice", t.Name)
		}
		seen[t.Name] = true
		if ttl, err := time.ParseDuration(t.TTL); t.TTL != "" && (err != nil || ttl <= 0 || ttl%time.Millisecond != 0) {
			return fmt.Errorf("declares table %q with ttl %q, which is not whole milliseconds like 24h", t.Name, cut(t.TTL))
		}
	}
	return nil
}

// cut keeps hostile text out of messages in bulk.
func cut(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
