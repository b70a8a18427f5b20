package snapshots

import "github.com/wasmill/wasmill/runtime/id"

// TrimOf is what a trim of a log says.
func TrimOf(s *State) *Trim { return trimOf(s) }

// ReadFooter reads the end of a pack.
func ReadFooter(pack []byte) ([]Section, error) {
	if len(pack) < trailerSize {
		return nil, readHeader(pack)
	}
	trailer := pack[len(pack)-trailerSize:]
	at, err := readTrailer(trailer, int64(len(pack)))
	if err != nil {
		return nil, err
	}
	return readFooter(pack[at:len(pack)-trailerSize], trailer, at, "packs/p")
}

// ChunkSize is how many bytes of a section are compressed together.
const ChunkSize = chunkSize

// SumSize is how many bytes the checksum of an entry takes.
const SumSize = sumSize

// SealRest puts a right checksum in front of what follows it in an entry.
func SealRest(rest []byte) []byte { return sealJSON(append([]byte{'{'}, rest...)) }

// EntryObject is where an entry lies.
func EntryObject(job id.Job, number uint64) string { return JobFolder(job) + "/" + entryName(number) }
