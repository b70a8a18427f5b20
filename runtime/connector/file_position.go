package connector

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/wasmill/wasmill/runtime/fault"
)

// filePosition is how far a file is read, and which file it was:
// offset:line:size:fingerprint, the last in hexadecimal.
type filePosition struct {
	offset      int64 // of the next byte
	line        int64 // lines before it
	size        int64 // of the whole file
	fingerprint uint32
}

func (p filePosition) String() string {
	return fmt.Sprintf("%d:%d:%d:%08x", p.offset, p.line, p.size, p.fingerprint)
}

func parseFilePosition(text string) (filePosition, error) {
	bad := func() (filePosition, error) {
		return filePosition{}, fault.Corruptf("read position: %q is not offset:line:size:fingerprint", text)
	}
	parts := strings.Split(text, ":")
	if len(parts) != 4 {
		return bad()
	}
	var n [3]int64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseInt(parts[i], 10, 64); err != nil || n[i] < 0 {
			return bad()
		}
	}
	sum, err := strconv.ParseUint(parts[3], 16, 32)
	p := filePosition{offset: n[0], line: n[1], size: n[2], fingerprint: uint32(sum)}
	if err != nil || p.offset > p.size || p.line > p.offset {
		return bad()
	}
	return p, nil
}
