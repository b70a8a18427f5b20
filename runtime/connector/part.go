package connector

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// stage is how far a file of a file sink is.
type stage int

const (
	writing  stage = iota // .part-open-<subtask>-<nonce>: its attempt is at it
	prepared              // .part-<checkpoint>-<subtask>-<nonce>: its checkpoint decides; or a marker
	visible               // part-<checkpoint>-<subtask>[-n]
)

// part is what the name of such a file says.
type part struct {
	stage   stage
	subtask int
}

var partPatterns = []struct {
	stage   stage
	pattern *regexp.Regexp
}{
	{writing, regexp.MustCompile(`^\.part-open-(\d{5,9})-[0-9a-f]{16}$`)},
	{prepared, regexp.MustCompile(`^\.part-\d{20}-(\d{5,9})-(?:[0-9a-f]{16}|replace)$`)},
	{visible, regexp.MustCompile(`^part-\d{20}-(\d{5,9})(?:-\d{1,9})?$`)},
}

// parsePart recognizes the names that file sinks give; all other files in the folder
// are somebody else's.
func parsePart(name string) (part, bool) {
	for _, p := range partPatterns {
		if m := p.pattern.FindStringSubmatch(name); m != nil {
			subtask, err := strconv.Atoi(m[1])
			return part{p.stage, subtask}, err == nil
		}
	}
	return part{}, false
}

func openName(subtask int, nonce string) string {
	return fmt.Sprintf(".part-open-%05d-%s", subtask, nonce)
}

// preparedName keeps the nonce, so that two attempts at a checkpoint don't meet.
func preparedName(checkpoint uint64, subtask int, open string) string {
	nonce := open[strings.LastIndexByte(open, '-')+1:]
	return fmt.Sprintf(".part-%020d-%05d-%s", checkpoint, subtask, nonce)
}

func markerName(checkpoint uint64, subtask int) string {
	return fmt.Sprintf(".part-%020d-%05d-replace", checkpoint, subtask)
}

func visibleName(checkpoint uint64, subtask int) string {
	return fmt.Sprintf("part-%020d-%05d", checkpoint, subtask)
}
