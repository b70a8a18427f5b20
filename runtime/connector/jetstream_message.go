package connector

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ackNumbers reads a message's sequence and time from the subject that it would be
// acknowledged at:
//
//	$JS.ACK.STREAM.CONSUMER.DELIVERIES.SEQUENCE.CONSUMERSEQUENCE.TIME.PENDING
//	$JS.ACK.DOMAIN.ACCOUNT.STREAM.CONSUMER.DELIVERIES.SEQUENCE.CONSUMERSEQUENCE.TIME.PENDING[.TOKEN]
func ackNumbers(reply string) (sequence uint64, stored int64, ok bool) {
	rest, ok := strings.CutPrefix(reply, "$JS.ACK.")
	if !ok {
		return 0, 0, false
	}
	skip := 3
	if strings.Count(rest, ".") > 6 {
		skip = 5
	}
	for range skip {
		if _, rest, ok = strings.Cut(rest, "."); !ok {
			return 0, 0, false
		}
	}
	first, rest, _ := strings.Cut(rest, ".")
	_, rest, _ = strings.Cut(rest, ".")
	second, _, _ := strings.Cut(rest, ".")
	sequence, err := strconv.ParseUint(first, 10, 64)
	if err != nil {
		return 0, 0, false
	}
	stored, err = strconv.ParseInt(second, 10, 64)
	return sequence, stored, err == nil
}

// keyOf says where the key of a message comes from.
type keyOf struct {
	subject bool
	token   int // of the subject, from 1; 0: all of it
	header  string
}

// parseKeyFrom reads "none", "subject", "subject 2" or "header NAME".
func parseKeyFrom(text string) (keyOf, error) {
	kind, rest, more := strings.Cut(text, " ")
	switch {
	case text == "" || text == "none":
		return keyOf{}, nil
	case text == "subject":
		return keyOf{subject: true}, nil
	case kind == "subject" && more:
		if n, err := strconv.Atoi(rest); err == nil && n > 0 {
			return keyOf{subject: true, token: n}, nil
		}
	case kind == "header" && more && rest != "" && !strings.ContainsAny(rest, " :\r\n"):
		return keyOf{header: rest}, nil
	}
	return keyOf{}, errors.New("must be none, subject, subject N (its token N, from 1) or header NAME")
}

// of is the key of a message; nil if it has none.
func (k keyOf) of(m *streamMessage) []byte {
	switch {
	case k.header != "":
		if values := m.header.Values(k.header); len(values) > 0 {
			return []byte(values[0])
		}
		return nil
	case !k.subject:
		return nil
	case k.token == 0:
		return []byte(m.subject)
	}
	rest := m.subject
	for n := 1; ; n++ {
		token, behind, more := strings.Cut(rest, ".")
		if n == k.token {
			return []byte(token)
		}
		if !more {
			return nil
		}
		rest = behind
	}
}

// appendMessage adds a message as JSON: its data as JSON if that is what it is, else as
// text or {"base64"}.
func appendMessage(to []byte, m *streamMessage) []byte {
	to = append(to, `{"subject":`...)
	to = appendText(to, []byte(m.subject))
	to = append(to, `,"sequence":`...)
	to = strconv.AppendUint(to, m.sequence, 10)
	to = append(to, `,"time":`...)
	to = strconv.AppendInt(to, floorDiv(m.stored, 1_000_000), 10)
	to = append(to, `,"headers":{`...)
	for i, name := range slices.Sorted(maps.Keys(m.header)) {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(appendText(to, []byte(name)), ':')
		to = appendText(to, []byte(strings.Join(m.header[name], ", ")))
	}
	to = append(to, `},"data":`...)
	if len(m.data) > 0 && (m.data[0] == '{' || m.data[0] == '[') && isJSON(m.data) {
		to = append(to, m.data...)
	} else {
		to = appendText(to, m.data)
	}
	return append(to, '}')
}

// parseStart reads "all", "new", "sequence N" or "time T".
func parseStart(text string) (kind, value string, err error) {
	kind, value, _ = strings.Cut(text, " ")
	switch {
	case text == "" || text == "all":
		return "all", "", nil
	case text == "new":
		return "new", "", nil
	case kind == "sequence":
		if n, err := strconv.ParseUint(value, 10, 64); err == nil && n > 0 {
			return kind, value, nil
		}
	case kind == "time":
		if _, err := time.Parse(time.RFC3339Nano, value); err == nil {
			return kind, value, nil
		}
	}
	return "", "", errors.New("must be all, new, sequence N (from 1) or time T, like 2026-01-02T15:04:05Z")
}

func checkStart(value json.RawMessage) error {
	var text string
	err := json.Unmarshal(value, &text)
	if err == nil {
		_, _, err = parseStart(text)
	}
	return err
}

func checkKeyFrom(value json.RawMessage) error {
	var text string
	err := json.Unmarshal(value, &text)
	if err == nil {
		_, err = parseKeyFrom(text)
	}
	return err
}

func checkHeaderName(value json.RawMessage) error {
	var name string
	if err := json.Unmarshal(value, &name); err != nil || name == "" || strings.ContainsAny(name, " :\r\n") {
		return errors.New("must be the name of a header")
	}
	if strings.HasPrefix(name, "Nats-") {
		return fmt.Errorf("%s is NATS's own: choose another name", name)
	}
	return nil
}
