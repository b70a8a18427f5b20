package connector

import (
	"fmt"
	"strconv"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/operator"
)

// stripe is a split of numbered records: those that leave the same remainder. Its
// name, "1/4", says the remainder and the divisor, which stay what they were when the
// parallelism changes.
type stripe struct {
	id   string
	next int64
	step int64
}

func openStripes(c Context) ([]stripe, error) {
	if c.Restore == nil {
		i, p := int64(c.Subtask.Index), int64(c.Parallelism)
		return []stripe{{id: fmt.Sprintf("%d/%d", i, p), next: i, step: p}}, nil
	}
	stripes := []stripe{}
	for _, from := range c.Restore {
		s, err := parseStripe(from)
		if err != nil {
			return nil, err
		}
		stripes = append(stripes, s)
	}
	return stripes, nil
}

func parseStripe(from operator.Split) (stripe, error) {
	var rest, step int64
	n, err := fmt.Sscanf(from.ID, "%d/%d", &rest, &step)
	next, posErr := strconv.ParseInt(from.Position, 10, 64)
	if from.Position == "" {
		next, posErr = rest, nil
	}
	if n != 2 || err != nil || posErr != nil || rest < 0 || rest >= step || next < rest || next%step != rest {
		return stripe{}, fault.Corruptf("read position: split %q can't stand at %q", from.ID, from.Position)
	}
	return stripe{id: from.ID, next: next, step: step}, nil
}

// earliest is the stripe with the lowest next record; nil if there is none.
func earliest(stripes []stripe) *stripe {
	var first *stripe
	for i := range stripes {
		if first == nil || stripes[i].next < first.next {
			first = &stripes[i]
		}
	}
	return first
}

// positions says where stripes stand, of which records there are end.
func positions(stripes []stripe, end int64) []operator.Split {
	splits := make([]operator.Split, len(stripes))
	for i, s := range stripes {
		splits[i] = operator.Split{ID: s.id, Position: strconv.FormatInt(s.next, 10), Done: s.next >= end}
	}
	return splits
}
