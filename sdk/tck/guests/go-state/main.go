//go:build wasip1

// Command go-state is the state guest of sdk/tck in Go.
package main

import (
	"strconv"
	"strings"
	"time"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/config"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

type guest struct {
	values map[string]*wasmill.Value[string]
	maps   map[string]*wasmill.Map[string, string]
	list   *wasmill.List[string]
	cached string
}

func newOperator() wasmill.Operator {
	value := func(name string, ttl time.Duration) *wasmill.Value[string] {
		return &wasmill.Value[string]{Name: name, TTL: ttl, Codec: wasmill.String, Migrate: migrate}
	}
	table := func(name string, scope wasmill.Scope) *wasmill.Map[string, string] {
		return &wasmill.Map[string, string]{Name: name, Scope: scope, Keys: wasmill.String, Values: wasmill.String, Migrate: migrate}
	}
	g := &guest{
		values: map[string]*wasmill.Value[string]{"value": value("value", 0), "brief": value("brief", time.Hour)},
		maps: map[string]*wasmill.Map[string, string]{
			"map": table("map", wasmill.Keyed), "split": table("split", wasmill.Split),
			"union": table("union", wasmill.Union), "shared": table("shared", wasmill.Broadcast),
		},
		list: &wasmill.List[string]{Name: "list", Codec: wasmill.String},
	}
	var settings struct{ Open string }
	return wasmill.Operator{
		Name: "tck-state", Inputs: []string{"in", "rules"}, BroadcastInputs: []string{"rules"}, StateVersion: 2,
		Tables: []wasmill.Table{
			g.values["value"], g.maps["map"], g.list, g.values["brief"], g.maps["split"], g.maps["union"], g.maps["shared"],
		},
		ConfigSchema: `{"type":"object","properties":{"open":{"type":"string"}},"additionalProperties":false}`,
		Open: func(c *wasmill.Context) error {
			if err := config.Decode(c, &settings); err != nil {
				return err
			}
			return g.run(c, nil, settings.Open)
		},
		Process: func(c *wasmill.Context, r *wasmill.Record) error { return g.run(c, r.Key, string(r.Value)) },
		Timer: func(c *wasmill.Context, t *wasmill.Timer) error {
			say(c, t.Key, "timer "+strconv.Itoa(int(t.Domain))+" "+strconv.FormatInt(t.At, 10)+" "+string(t.Tag))
			return g.run(c, t.Key, string(t.Tag))
		},
		Watermark: func(c *wasmill.Context, ts int64) error { return say(c, nil, "watermark "+strconv.FormatInt(ts, 10)) },
		Barrier: func(c *wasmill.Context, checkpoint int64) error {
			if g.cached != "" {
				g.maps["split"].Set(c, "cached", g.cached)
			}
			return say(c, nil, "barrier "+strconv.FormatInt(checkpoint, 10))
		},
		Flush: func(c *wasmill.Context) error { return say(c, nil, "flush") },
		End:   func(c *wasmill.Context) error { return say(c, nil, "end") },
	}
}

// migrate reads what an older version wrote.
func migrate(version uint32, b []byte) (string, error) {
	return "v" + strconv.Itoa(int(version)) + ":" + string(b), nil
}

func say(c *wasmill.Context, key []byte, text string) error {
	c.Emit(&wasmill.Record{Timestamp: wasmill.NoTimestamp, Key: key, Value: []byte(text)})
	return nil
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// run does one command.
func (g *guest) run(c *wasmill.Context, key []byte, text string) error {
	words := strings.SplitN(text, " ", 5)
	word := append(words, "", "", "", "")
	switch what := word[0]; {
	case what == "watermark":
		return say(c, key, strconv.FormatInt(c.Watermark(), 10))
	case what == "cache":
		g.cached = word[1]
	case what == "timer" && word[1] == "set":
		c.SetTimer(wasmill.Domain(number(word[2])), number(word[3]), []byte(word[4]))
	case what == "timer" && word[1] == "delete":
		c.DeleteTimer(wasmill.Domain(number(word[2])), number(word[3]), []byte(word[4]))
	case what == "list":
		return g.onList(c, key, word)
	case what == "raw":
		return raw(c, key, strings.TrimPrefix(text, "raw "))
	case g.values[what] != nil:
		return onValue(c, key, g.values[what], word)
	case g.maps[what] != nil:
		return onMap(c, key, g.maps[what], word)
	}
	return nil
}

func onValue(c *wasmill.Context, key []byte, t *wasmill.Value[string], word []string) error {
	switch word[1] {
	case "get":
		value, ok := t.Get(c)
		return sayIf(c, key, value, ok)
	case "set":
		t.Set(c, word[2])
	case "clear":
		t.Clear(c)
	}
	return nil
}

func sayIf(c *wasmill.Context, key []byte, value string, ok bool) error {
	if !ok {
		value = "-"
	}
	return say(c, key, value)
}

func onMap(c *wasmill.Context, key []byte, t *wasmill.Map[string, string], word []string) error {
	switch word[1] {
	case "get":
		value, ok := t.Get(c, word[2])
		return sayIf(c, key, value, ok)
	case "set":
		t.Set(c, word[2], word[3])
	case "remove":
		t.Remove(c, word[2])
	case "clear":
		t.Clear(c)
	case "all":
		for sub, value := range t.All(c) {
			say(c, key, sub+"="+value)
		}
	case "fill":
		for n := range number(word[2]) {
			t.Set(c, strconv.FormatInt(100000+n, 10), strings.Repeat("x", int(number(word[3]))))
		}
	case "size":
		entries, size := 0, 0
		for _, value := range t.All(c) {
			entries, size = entries+1, size+len(value)
		}
		say(c, key, strconv.Itoa(entries)+" "+strconv.Itoa(size))
	}
	return nil
}

func (g *guest) onList(c *wasmill.Context, key []byte, word []string) error {
	switch word[1] {
	case "add":
		g.list.Add(c, word[2])
	case "clear":
		g.list.Clear(c)
	case "all":
		for element := range g.list.All(c) {
			say(c, key, element)
		}
	}
	return nil
}
