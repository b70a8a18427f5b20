package snapshots

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/wasmill/wasmill/runtime/id"
)

// JobFolder is where everything of a job lies, without a slash at its end.
func JobFolder(job id.Job) string { return job.Namespace + "/jobs/" + job.Name }

// SavepointFolder is where a savepoint of a job lies.
func SavepointFolder(job id.Job, name string) string {
	return job.Namespace + "/savepoints/" + job.Name + "/" + name
}

// ModuleName names the object of a module, which belongs to no namespace.
func ModuleName(sha256 string) string { return "modules/" + sha256 + ".wasm" }

func entryName(number uint64) string { return fmt.Sprintf("log/%020d.json", number) }

var entryPattern = regexp.MustCompile(`^log/([0-9]{20})\.json$`)

// parseEntryName reads the name of an entry below the job's folder.
func parseEntryName(name string) (number uint64, ok bool) {
	m := entryPattern.FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	number, err := strconv.ParseUint(m[1], 10, 64)
	return number, err == nil && number > 0
}

// PackID says whose a pack is. It is written once.
type PackID struct {
	Checkpoint    uint64
	Attempt       id.Attempt
	Task, Subtask int
}

// Name is the pack's name below the job's folder; names sort by checkpoint.
func (p PackID) Name() string {
	return fmt.Sprintf("packs/%020d-%s-%d-%d.pack", p.Checkpoint, p.Attempt, p.Task, p.Subtask)
}

var packPattern = regexp.MustCompile(`^packs/([0-9]{20})-([0-9]{1,20})\.([0-9]{1,10})-([0-9]{1,9})-([0-9]{1,9})\.pack$`)

// ParsePackName reads a name that PackID.Name made.
func ParsePackName(name string) (p PackID, ok bool) {
	m := packPattern.FindStringSubmatch(name)
	if m == nil {
		return p, false
	}
	var err [5]error
	var number uint64
	p.Checkpoint, err[0] = strconv.ParseUint(m[1], 10, 64)
	p.Attempt.Term, err[1] = strconv.ParseUint(m[2], 10, 64)
	number, err[2] = strconv.ParseUint(m[3], 10, 32)
	p.Attempt.Number = uint32(number)
	p.Task, err[3] = strconv.Atoi(m[4])
	p.Subtask, err[4] = strconv.Atoi(m[5])
	return p, err == [5]error{} && p.Name() == name
}
