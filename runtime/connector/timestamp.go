package connector

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// parseTimestamp reads an event time, in ms since 1970, from a JSON field: a number, or
// a text that holds one, in unit s, ms, us or ns; or a text as in RFC 3339. Parts of a
// millisecond are dropped, towards the past.
func parseTimestamp(field gjson.Result, unit string) (ms int64, reason string) {
	text := field.Raw
	switch field.Type {
	case gjson.String:
		text = field.Str
	case gjson.Number:
	default:
		if !field.Exists() {
			return 0, "is missing"
		}
		return 0, "is not a time"
	}
	if unit == "rfc3339" {
		t, err := time.Parse(time.RFC3339, text)
		if field.Type != gjson.String || err != nil {
			return 0, "is not a time as in RFC 3339, like 2026-01-02T15:04:05Z"
		}
		return t.UnixMilli(), ""
	}
	ms, ok := plainMillis(text, unit)
	if !ok {
		return exactMillis(text, unit)
	}
	if ms == math.MinInt64 || ms == math.MaxInt64 {
		return 0, outOfRange
	}
	return ms, ""
}

const outOfRange = "is outside the range of event times"

// plainMillis is for whole numbers, and for a fraction of a number that is not
// negative; false sends all else to exactMillis.
func plainMillis(text, unit string) (ms int64, ok bool) {
	whole, fraction, split := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || split && (whole[0] == '-' || fraction == "") {
		return 0, false
	}
	thousandths, place := int64(0), int64(100)
	for i := range len(fraction) {
		digit := int64(fraction[i]) - '0'
		if digit < 0 || digit > 9 {
			return 0, false
		}
		thousandths += digit * place
		place /= 10
	}
	if ms, ok = wholeMillis(n, unit); unit == "s" && ok {
		ms += thousandths
		ok = n < math.MaxInt64/1000
	}
	return ms, ok
}

func wholeMillis(n int64, unit string) (ms int64, ok bool) {
	switch unit {
	case "s":
		return n * 1000, math.MinInt64/1000 <= n && n <= math.MaxInt64/1000
	case "us":
		return floorDiv(n, 1000), true
	case "ns":
		return floorDiv(n, 1_000_000), true
	}
	return n, true
}

func floorDiv(n, by int64) int64 {
	q := n / by
	if n%by < 0 {
		q--
	}
	return q
}

// exactMillis is for what plainMillis can't do. A float64 would lose the milliseconds
// of nanoseconds.
func exactMillis(text, unit string) (ms int64, reason string) {
	if len(text) > 64 {
		return 0, "has too many digits for a time"
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, "is not a number of " + unit
	}
	// A huge exponent must not make a huge number, nor a huge denominator.
	if math.Abs(f) > 1e28 {
		return 0, outOfRange
	}
	if math.Abs(f) < 1e-9 {
		if f < 0 {
			return -1, ""
		}
		return 0, ""
	}
	exact, ok := new(big.Rat).SetString(text)
	if !ok {
		return 0, "is not a number of " + unit
	}
	switch unit {
	case "s":
		exact.Mul(exact, big.NewRat(1000, 1))
	case "us":
		exact.Quo(exact, big.NewRat(1000, 1))
	case "ns":
		exact.Quo(exact, big.NewRat(1_000_000, 1))
	}
	// Div of big.Int is Euclidean: with a denominator above 0 it rounds down.
	whole := new(big.Int).Div(exact.Num(), exact.Denom())
	if !whole.IsInt64() || whole.Int64() == math.MinInt64 || whole.Int64() == math.MaxInt64 {
		return 0, outOfRange
	}
	return whole.Int64(), ""
}
