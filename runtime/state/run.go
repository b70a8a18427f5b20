package state

// maxTableName is the longest name of a table, in bytes.
const maxTableName = 255

// RunInfo says what a snapshot wrote: one run, in the format of docs/formats.md.
type RunInfo struct {
	Checkpoint uint64
	// Since is the confirmed checkpoint that the run builds on; 0: it holds everything.
	Since uint64
	// Header is how many bytes come before the first group.
	Header int64
	// Groups says where each key group lies; groups without entries are left out.
	Groups  []GroupRange
	Bytes   int64 // of the whole run
	Entries int64
	Deleted int64 // of the entries, those that say that one is gone
}

// GroupRange is where the entries of a key group lie within a run, in bytes.
type GroupRange struct {
	Group  int
	Offset int64
	Length int64
}
