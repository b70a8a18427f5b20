package trial

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Rows are a result: each row as canonical JSON, and how often it is there.
type Rows map[string]int

// reading is a result while its files are read.
type reading struct {
	plain Rows
	// keyed are the rows that stand so far for the keys of a changelog.
	keyed map[string]string
}

// ReadRows reads a file, or all files below a folder but hidden ones, in the order of
// their names. Lines as sinks write them with `encode: json` are a changelog: what
// counts is the last row of each key, if it was not deleted.
func ReadRows(path string) (Rows, error) {
	r := reading{Rows{}, map[string]string{}}
	if err := eachFile(path, r.file); err != nil {
		return nil, err
	}
	for _, row := range r.keyed {
		r.plain[row]++
	}
	return r.plain, nil
}

// eachFile visits a file, or all below a folder.
func eachFile(path string, visit func(path string) error) error {
	return filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("read rows: %w", err)
		case file != path && strings.HasPrefix(d.Name(), "."):
			return fmt.Errorf("read rows: %s was left behind", file)
		case d.IsDir():
			return nil
		}
		return visit(file)
	})
}

func (r *reading) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	defer f.Close()
	in := io.Reader(f)
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			return fmt.Errorf("read rows: %s: %w", path, err)
		}
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if err := r.line(lines.Bytes()); err != nil {
			return fmt.Errorf("read rows: %s:%d: %w", path, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read rows: %s: %w", path, err)
	}
	return nil
}

func (r *reading) line(text []byte) error {
	row, err := parse(text)
	if err != nil {
		return err
	}
	change, isChange := row["change"]
	value, hasValue := row["value"]
	if !isChange || !hasValue {
		r.plain[encode(row)]++
		return nil
	}
	if text, ok := value.(string); ok {
		if value, err = parse([]byte(text)); err != nil {
			return err
		}
	}
	key := encode(row["key"])
	switch change {
	case "insert", "update-after":
		r.keyed[key] = encode(value)
	case "delete":
		delete(r.keyed, key)
	case "update-before":
	default:
		return fmt.Errorf("%v is no change", change)
	}
	return nil
}

// parse reads a row. Numbers that are the same are the same afterwards, however they
// were written: 22473.000 is 22473.
func parse(text []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var row map[string]any
	if err := d.Decode(&row); err != nil {
		return nil, fmt.Errorf("%w in %.100q", err, text)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than a row in %.100q", text)
	}
	normalize(row)
	return row, nil
}

// normalize returns what it changed in place, if it can be.
func normalize(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, field := range v {
			v[name] = normalize(field)
		}
	case []any:
		for i := range v {
			v[i] = normalize(v[i])
		}
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			return v
		}
		if r, ok := new(big.Rat).SetString(v.String()); ok && r.IsInt() {
			return json.Number(r.Num().String())
		} else if digits, exact := r.FloatPrec(); exact {
			return json.Number(r.FloatString(digits))
		}
	}
	return v
}

// encode writes a value that parse has read.
func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it came from JSON
	}
	return string(text)
}

// Compare says how far a result is off the one expected: nil if not at all.
func Compare(got, want Rows) error {
	if len(want) == 0 {
		return fmt.Errorf("compare rows: none are expected")
	}
	missing, extra := want.without(got), got.without(want)
	if len(missing)+len(extra) == 0 {
		return nil
	}
	return fmt.Errorf("compare rows: %d of %d are missing%s; %d should not be there%s",
		missing.count(), want.count(), missing.sample(), extra.count(), extra.sample())
}

func (r Rows) count() (n int) {
	for _, times := range r {
		n += times
	}
	return n
}

// without are the rows that others has not, or not as often.
func (r Rows) without(others Rows) Rows {
	rest := Rows{}
	for row, times := range r {
		if more := times - others[row]; more > 0 {
			rest[row] = more
		}
	}
	return rest
}

// sample is the first few rows, in a clause.
func (r Rows) sample() string {
	var text strings.Builder
	var all []string
	for row := range r {
		all = append(all, row)
	}
	slices.Sort(all)
	for i, row := range all[:min(len(all), 2)] {
		fmt.Fprintf(&text, "%s%.300s", []string{": ", ", "}[i], row)
	}
	return text.String()
}
