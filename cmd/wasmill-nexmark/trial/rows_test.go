package trial

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		name, got, want string
		says            string // "" if they are the same
	}{
		{"the order of rows and fields", `{"a":1,"b":"x"}` + "\n" + `{"a":2}`, `{"a":2}` + "\n" + `{"b":"x","a":1}`, ""},
		{"how numbers are written", `{"a":22473.000,"b":1.50,"c":[0.5],"d":1e2}`, `{"a":22473,"b":1.5,"c":[0.500],"d":100}`, ""},
		{"large numbers", `{"a":9007199254740993}`, `{"a":9007199254740992}`, "1 of 1 are missing"},
		{"decimals beyond floats", `{"a":0.12345678901234567891}`, `{"a":0.12345678901234567892}`, "1 of 1 are missing"},
		{"a text is no number", `{"a":"1"}`, `{"a":1}`, `1 should not be there: {"a":"1"}`},
		{"a row too often", `{"a":1}` + "\n" + `{"a":1}`, `{"a":1}`, "0 of 1 are missing; 1 should not be there"},
		{"a row too few", `{"a":1}`, `{"a":1}` + "\n" + `{"a":1}`, `1 of 2 are missing: {"a":1}; 0 should`},
		{"nothing expected", `{"a":1}`, ``, "none are expected"},
		{"changes", `{"key":"k","value":{"a":1},"time":1,"change":"insert"}
{"key":"l","value":"{\"a\":5}","time":1,"change":"insert"}
{"key":"k","value":{"a":1},"time":2,"change":"update-before"}
{"key":"k","value":{"a":2.0},"time":2,"change":"update-after"}
{"key":"m","value":{"a":3},"time":2,"change":"insert"}
{"key":"m","value":null,"time":3,"change":"delete"}`, `{"a":2}` + "\n" + `{"a":5}`, ""},
		{"keys with the same row", `{"key":"k","value":{"a":1},"time":1,"change":"insert"}
{"key":"l","value":{"a":1},"time":1,"change":"insert"}`, `{"a":1}`, "1 should not be there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, map[string]string{"got": c.got, "want": c.want})
			got, err := ReadRows(filepath.Join(dir, "got"))
			if err != nil {
				t.Fatal(err)
			}
			want, err := ReadRows(filepath.Join(dir, "want"))
			if err != nil {
				t.Fatal(err)
			}
			err = Compare(got, want)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("said %v, want %q", err, c.says)
			}
		})
	}
}

// A changelog goes on from file to file, in folders below, too.
func TestReadRowsOfFolder(t *testing.T) {
	dir := write(t, map[string]string{
		"part-2": `{"key":"k","value":{"a":2},"time":1,"change":"update-after"}`,
		"part-1": `{"key":"k","value":{"a":1},"time":1,"change":"insert"}`,
		"d/part": `{"a":3}`,
	})
	got, err := ReadRows(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := Compare(got, Rows{`{"a":2}`: 1, `{"a":3}`: 1}); err != nil {
		t.Error(err)
	}
}

func TestReadRowsRefuses(t *testing.T) {
	for name, c := range map[string]struct{ file, text, says string }{
		"no JSON":       {"part-1", `{"a":1}` + "\n" + `{"a":`, "part-1:2: "},
		"two rows":      {"part-1", `{"a":1}{"a":2}`, "more than a row"},
		"no change":     {"part-1", `{"key":"k","value":{},"time":1,"change":"upsert"}`, "upsert is no change"},
		"staged output": {".part-1", `{"a":1}`, "was left behind"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadRows(write(t, map[string]string{c.file: c.text}))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("said %v, want %q", err, c.says)
			}
		})
	}
}

func TestBidsOfBidders(t *testing.T) {
	got, err := bidsOfBidders(Rows{
		`{"bid_count":2,"bidder":7,"endtime":10,"starttime":0}`:  1,
		`{"bid_count":3,"bidder":7,"endtime":20,"starttime":10}`: 2,
		`{"bid_count":1,"bidder":8,"endtime":20,"starttime":10}`: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := Compare(got, Rows{"7: 8": 1, "8: 1": 1}); err != nil {
		t.Error(err)
	}
	if _, err := bidsOfBidders(Rows{`{"bidder":7}`: 1}); err == nil {
		t.Error("a row without a count is taken")
	}
}

func TestCheckFolders(t *testing.T) {
	const last, next = `{"dateTime":1772409599999}`, `{"dateTime":1772409600000}` // of a day
	right := map[string]string{"dt=2026-03-01/hm=23:59/part-1": last + "\n" + last, "dt=2026-03-02/hm=00:00/part-1": next}
	if err := checkFolders(write(t, right)); err != nil {
		t.Error(err)
	}
	for name, files := range map[string]map[string]string{
		"another minute's": {"dt=2026-03-01/hm=23:59/part-1": last + "\n" + next},
		"no folder":        {"part-1": last},
		"no time":          {"dt=2026-03-01/hm=23:59/part-1": `{}`},
	} {
		if err := checkFolders(write(t, files)); err == nil {
			t.Errorf("%s: nothing is wrong", name)
		}
	}
}
