package connector

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/wasmill/wasmill/runtime/record"
)

// folderPattern says into which folder, below a file sink's own, a record is written:
// its pieces, one after another.
type folderPattern struct {
	pieces []folderPiece
	step   int64 // ms: between its multiples the time makes no other folder; 0: it never does
	keyed  bool
}

// folderPiece is text as it stands, a part of the time, or the key.
type folderPiece struct {
	text string
	code byte // Y, m, d, H, M; k for the key; 0 for text
}

// What parts of the time look like, and for how long they stay the same at least.
var timeCodes = map[byte]struct {
	layout string
	step   int64
}{'Y': {"2006", dayMillis}, 'm': {"01", dayMillis}, 'd': {"02", dayMillis}, 'H': {"15", 60 * 60e3}, 'M': {"04", 60e3}}

const (
	dayMillis = 24 * 60 * 60e3
	// longestName is what file systems take for one name.
	longestName = 255
)

// parseFolderPattern reads a pattern: dt=%Y-%m-%d/hm=%H:%M, or {key}.
func parseFolderPattern(text string) (folderPattern, error) {
	var p folderPattern
	for name := range strings.SplitSeq(text, "/") {
		if name == "" || name[0] == '.' {
			return p, errors.New("must be names of folders with / between them, none of which begins with a dot")
		}
	}
	for rest := text; rest != ""; {
		piece := folderPiece{}
		at := strings.IndexAny(rest, "%{}\x00")
		switch {
		case at < 0:
			piece.text, rest = rest, ""
		case at > 0:
			piece.text, rest = rest[:at], rest[at:]
		case strings.HasPrefix(rest, "{key}"):
			piece.code, rest = 'k', rest[len("{key}"):]
			p.keyed = true
		case rest[0] == '%' && len(rest) > 1 && timeCodes[rest[1]].step > 0:
			piece.code, rest = rest[1], rest[2:]
			if step := timeCodes[piece.code].step; p.step == 0 || step < p.step {
				p.step = step
			}
		default:
			return p, errors.New("must be text with %Y, %m, %d, %H, %M and {key} in it")
		}
		p.pieces = append(p.pieces, piece)
	}
	if p.step == 0 && !p.keyed {
		return p, errors.New("must have one of %Y, %m, %d, %H, %M and {key} in it")
	}
	return p, nil
}

func checkFolderPattern(value json.RawMessage) error {
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return errors.New("must be a pattern of folders")
	}
	_, err := parseFolderPattern(text)
	return err
}

// append adds the folder of a record. What lacks the time or the key has _ in its place.
func (p folderPattern) append(to []byte, r *record.Record) []byte {
	t := time.UnixMilli(r.Timestamp).UTC()
	for _, piece := range p.pieces {
		switch {
		case piece.code == 0:
			to = append(to, piece.text...)
		case piece.code == 'k':
			to = appendName(to, r.Key)
		case r.Timestamp == record.NoTimestamp:
			to = append(to, '_')
		default:
			to = t.AppendFormat(to, timeCodes[piece.code].layout)
		}
	}
	return to
}

// appendName adds a key as part of a folder's name. What can't stand there, or not
// everywhere, and % are %-encoded, as in URLs; so is a dot in front. An empty key is _,
// which itself is encoded.
func appendName(to, key []byte) []byte {
	const hex = "0123456789ABCDEF"
	if len(key) == 0 {
		return append(to, '_')
	}
	alone := len(key) == 1
	for i, c := range key {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`%/\:*?"<>|`, c) >= 0 || c == '.' && i == 0 || c == '_' && alone {
			to = append(to, '%', hex[c>>4], hex[c&15])
		} else {
			to = append(to, c)
		}
	}
	return to
}

// span is the times around a record's that make the same folder: from one up to another.
func (p folderPattern) span(timestamp int64) (from, to int64) {
	const far = 1 << 60
	switch {
	case p.step == 0:
		return math.MinInt64, math.MaxInt64
	case timestamp < -far || timestamp > far: // or none
		return timestamp, timestamp + 1
	}
	since := timestamp % p.step
	if since < 0 {
		since += p.step
	}
	return timestamp - since, timestamp - since + p.step
}

// existing lists the folders below dir that the pattern can have made.
func (p folderPattern) existing(dir string) ([]string, error) {
	folders := []string{""}
	for _, name := range p.names() {
		var below []string
		for _, folder := range folders {
			entries, err := os.ReadDir(filepath.Join(dir, folder))
			if err != nil && !os.IsNotExist(err) {
				return nil, err
			}
			for _, e := range entries {
				if e.IsDir() && name.MatchString(e.Name()) {
					below = append(below, filepath.Join(folder, e.Name()))
				}
			}
		}
		folders = below
	}
	return folders, nil
}

// names are patterns of the names of folders, from the outermost one.
func (p folderPattern) names() (names []*regexp.Regexp) {
	var all strings.Builder
	for _, piece := range p.pieces {
		switch piece.code {
		case 0:
			all.WriteString(regexp.QuoteMeta(piece.text))
		case 'k':
			all.WriteString(`[^.].*`)
		default:
			all.WriteString(`(?:_|-?\d+)`)
		}
	}
	for name := range strings.SplitSeq(all.String(), "/") {
		names = append(names, regexp.MustCompile(`^`+name+`$`))
	}
	return names
}

// isFolder says whether a folder that a transaction names is one that a pattern made:
// below the sink's own, and not hidden.
func isFolder(folder string) bool {
	hidden := func(name string) bool { return name == "" || name[0] == '.' || len(name) > longestName }
	return folder == "" || filepath.IsLocal(folder) && !slices.ContainsFunc(strings.Split(folder, "/"), hidden)
}

// splitFolder takes a path below a sink's folder apart.
func splitFolder(path string) (folder, name string) {
	folder, name = filepath.Split(path)
	return strings.TrimSuffix(folder, "/"), name
}

// parentFolder is the folder that a folder below a sink's own is in; "" is the sink's.
func parentFolder(folder string) string {
	parent, _ := splitFolder(folder)
	return parent
}

// inTheWay is an error if something that is no folder has the name of one that will be
// made.
func inTheWay(dir, folder string) error {
	for path := dir; folder != ""; {
		name, rest, _ := strings.Cut(folder, "/")
		path, folder = filepath.Join(path, name), rest
		info, err := os.Stat(path)
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && !info.IsDir() {
			err = errors.New("it is a file")
		}
		if err != nil {
			return placed(path, "a file is in the way: the path must be a folder", fmt.Errorf("make folder: %w", cause(err)))
		}
	}
	return nil
}
