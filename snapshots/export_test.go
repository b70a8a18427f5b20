package snapshots

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
