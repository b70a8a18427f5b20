package connector

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/wasmill/wasmill/runtime/id"
)

// stage is how far a file of a file sink is.
type stage int

const (
	writing  stage = iota // .part-open-<subtask>-<attempt>-<nonce>: its attempt is at it
	prepared              // .part-<checkpoint>-<subtask>-<attempt>-<nonce>: its checkpoint decides; or a marker
	visible               // part-<checkpoint>-<subtask>[-n]
)

// part is what the name of such a file says.
type part struct {
	stage   stage
	subtask int
	attempt id.Attempt // zero for what is visible
}

var partPatterns = []struct {
	stage   stage
	pattern *regexp.Regexp
}{
	{writing, regexp.MustCompile(`^\.part-open-(\d{5,9})-(\d{1,20})\.(\d{1,10})-[0-9a-f]{16}$`)},
	{prepared, regexp.MustCompile(`^\.part-\d{20}-(\d{5,9})-(\d{1,20})\.(\d{1,10})-(?:[0-9a-f]{16}|replace)$`)},
	{visible, regexp.MustCompile(`^part-\d{20}-(\d{5,9})(?:-\d{1,9})?$`)},
}

// parsePart recognizes the names that file sinks give; all other files in the folder
// are somebody else's.
func parsePart(name string) (part, bool) {
	for _, p := range partPatterns {
		if m := p.pattern.FindStringSubmatch(name); m != nil {
			subtask, err := strconv.Atoi(m[1])
			found := part{stage: p.stage, subtask: subtask}
			if p.stage != visible {
				found.attempt, err = parseAttempt(m[2], m[3])
			}
			return found, err == nil
		}
	}
	return part{}, false
}

func parseAttempt(term, number string) (id.Attempt, error) {
	t, err := strconv.ParseUint(term, 10, 64)
	n, numberErr := strconv.ParseUint(number, 10, 32)
	return id.Attempt{Term: t, Number: uint32(n)}, cmp.Or(err, numberErr)
}

func openName(subtask int, attempt id.Attempt, nonce string) string {
	return fmt.Sprintf(".part-open-%05d-%s-%s", subtask, attempt, nonce)
}

// preparedName keeps the nonce, so that two attempts at a checkpoint don't meet.
func preparedName(checkpoint uint64, subtask int, attempt id.Attempt, open string) string {
	nonce := open[strings.LastIndexByte(open, '-')+1:]
	return fmt.Sprintf(".part-%020d-%05d-%s-%s", checkpoint, subtask, attempt, nonce)
}

func markerName(checkpoint uint64, subtask int, attempt id.Attempt) string {
	return fmt.Sprintf(".part-%020d-%05d-%s-replace", checkpoint, subtask, attempt)
}

func visibleName(checkpoint uint64, subtask int) string {
	return fmt.Sprintf("part-%020d-%05d", checkpoint, subtask)
}
