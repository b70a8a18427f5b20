package graph

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The readers below report a value of the wrong type and answer false.

func (v *value) found() string {
	switch {
	case v.kind == mapping:
		return "fields"
	case v.kind == sequence:
		return "a list"
	case v.tag == "!!null":
		return "nothing"
	case v.tag == "!!int" || v.tag == "!!float":
		return "the number " + clip(v.text)
	case v.tag == "!!bool":
		return clip(v.text)
	}
	return "the text " + quote(v.text)
}

func (p *parser) mismatch(v *value, expected, hint string) {
	if v.kind != refused {
		p.add(v.at(), hint, "expected %s, found %s", expected, v.found())
	}
}

// text reads a text. A flag can't be quoted twice, so any scalar of one is text.
func (p *parser) text(v *value) (string, bool) {
	switch {
	case v.kind == scalar && (v.tag == "!!str" || v.flag != ""):
		return v.text, true
	case v.kind == scalar && v.tag != "!!null":
		p.mismatch(v, "text", "put it in quotes")
	default:
		p.mismatch(v, "text", "")
	}
	return "", false
}

func (p *parser) boolean(v *value) (bool, bool) {
	if v.kind == scalar && v.tag == "!!bool" {
		return strings.EqualFold(v.text, "true"), true
	}
	p.mismatch(v, "true or false", "")
	return false, false
}

var decimal = regexp.MustCompile(`^[+-]?(0|[1-9][0-9_]*)$`)

func (p *parser) integer(v *value, least, most int64) (int64, bool) {
	if v.kind != scalar || v.quoted || !decimal.MatchString(v.text) {
		p.mismatch(v, "a whole number", "")
		return 0, false
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(v.text, "_", ""), 10, 64)
	if err != nil || n < least || n > most {
		p.outOfRange(v, strconv.FormatInt(least, 10), strconv.FormatInt(most, 10), most != math.MaxInt64)
		return 0, false
	}
	return n, true
}

func (p *parser) outOfRange(v *value, least, most string, bounded bool) {
	if bounded {
		p.add(v.at(), "", "%s is out of range: %s to %s", clip(v.text), least, most)
		return
	}
	p.add(v.at(), "", "%s is out of range: it is at least %s", clip(v.text), least)
}

func (p *parser) duration(v *value, least, most time.Duration) (time.Duration, bool) {
	if v.kind != scalar || v.tag == "!!null" || v.tag == "!!bool" {
		p.mismatch(v, "a duration like 10ms or 1h30m", "")
		return 0, false
	}
	d, err := time.ParseDuration(v.text)
	if err != nil {
		hint := "units are ns, us, ms, s, m, h"
		if decimal.MatchString(v.text) {
			hint = "add a unit: " + clip(v.text) + "s"
		}
		p.mismatch(v, "a duration like 10ms or 1h30m", hint)
		return 0, false
	}
	if d < least || d > most {
		p.outOfRange(v, least.String(), most.String(), most != math.MaxInt64)
		return 0, false
	}
	return d, true
}

// time reads a time in ms since 1970, or as in RFC 3339.
func (p *parser) time(v *value, least, most int64) (int64, bool) {
	if v.kind == scalar && !v.quoted && decimal.MatchString(v.text) {
		return p.integer(v, least, most)
	}
	t, err := time.Parse(time.RFC3339, v.text)
	if v.kind != scalar || err != nil {
		p.mismatch(v, "a time like 2026-01-02T15:04:05Z", "or ms since 1970")
		return 0, false
	}
	if ms := t.UnixMilli(); least <= ms && ms <= most {
		return ms, true
	}
	p.outOfRange(v, time.UnixMilli(least).UTC().Format(time.RFC3339), time.UnixMilli(most).UTC().Format(time.RFC3339), most != math.MaxInt64)
	return 0, false
}

var (
	sizePattern = regexp.MustCompile(`^([0-9]+)(B|KiB|MiB|GiB|TiB)?$`)
	sizeUnits   = map[string]uint{"": 0, "B": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}
)

func (p *parser) size(v *value, least, most int64) (int64, bool) {
	m := sizePattern.FindStringSubmatch(v.text)
	if v.kind != scalar || m == nil {
		p.mismatch(v, "a size like 64MiB", "units are B, KiB, MiB, GiB, TiB")
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	shift := sizeUnits[m[2]]
	if err != nil || n > math.MaxInt64>>shift || n<<shift < least || n<<shift > most {
		p.outOfRange(v, sizeText(least), sizeText(most), most != math.MaxInt64)
		return 0, false
	}
	return n << shift, true
}

// sizeText writes a size as a job file does.
func sizeText(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for n != 0 && n%1024 == 0 && i < len(units)-1 {
		n /= 1024
		i++
	}
	return fmt.Sprintf("%d%s", n, units[i])
}

// oneOf reads a text that is one of a few words.
func (p *parser) oneOf(v *value, words ...string) (string, bool) {
	s, ok := p.text(v)
	if !ok {
		return "", false
	}
	for _, word := range words {
		if s == word {
			return s, true
		}
	}
	p.add(v.at(), Suggest(s, words), "unknown value %s", quote(s))
	return "", false
}
