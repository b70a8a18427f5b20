package tck

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/record"
)

// versions: entries of another stateVersion are migrated as they are read, and have the
// new one when they are written.
func (s suite) versions(t *testing.T) {
	e := s.openState(t, settings{})
	group := keygroup.Of([]byte("a"), maxParallelism)
	e.keyed.SetVersion(1)
	e.must(e.keyed.Put(group, 0, []byte("a"), nil, []byte("old")))
	e.must(e.keyed.Put(group, 1, []byte("a"), []byte("s"), []byte("old")))
	e.must(e.keyed.Put(group, 1, []byte("a"), []byte("t"), []byte("old")))
	e.keyed.SetVersion(stateVersion)
	e.must(e.do("a: value set x | a: raw put 0  x"))
	e.keyed.SetVersion(1)
	e.must(e.keyed.Put(group, 0, []byte("a"), nil, []byte("old")))
	e.keyed.SetVersion(stateVersion)
	script := `
a: raw get 0  3
  a: 4294967299 old
a: value get | a: map get s | a: map all
  a: v1:old
  a: v1:old
  a: s=v1:old
  a: t=v1:old
a: value get | a: map all
  a: v1:old
  a: s=v1:old
  a: t=v1:old
a: value set new | a: value get | a: map set s new
  a: new
a: raw get 0  3 | a: map all
  a: 8589934595 new
  a: s=new
  a: t=v1:old
`
	if got, want := e.script(script), strings.TrimLeft(script, "\n"); got != want {
		t.Errorf("this came:\n%s\nwant:\n%s", got, want)
	}
}

// rescale: two subtasks write, three go on, then one.
func (s suite) rescale(t *testing.T) {
	var keys []string
	for n := range 40 {
		keys = append(keys, fmt.Sprint("key", n))
	}
	owner := func(key string, parallelism int) int {
		return keygroup.Subtask(keygroup.Of([]byte(key), maxParallelism), parallelism, maxParallelism)
	}
	var before saved
	for subtask := range 2 {
		e := s.openState(t, settings{subtask: subtask, parallelism: 2})
		for _, key := range keys {
			if owner(key, 2) == subtask {
				e.must(e.do(fmt.Sprintf("%s: value set %s | %[1]s: timer set 0 10 t | %[1]s: split set %[1]s 1 | %[1]s: union set %[1]s 1", key, key)))
			}
		}
		e.must(e.do("-: shared set rule on"))
		keyed, operator := e.snapshot(1)
		before.keyed, before.operator = append(before.keyed, keyed), append(before.operator, operator)
	}
	for _, parallelism := range []int{3, 1} {
		t.Run(fmt.Sprint("to ", parallelism), func(t *testing.T) {
			split := map[string]int{}
			for subtask := range parallelism {
				e := s.start(t, settings{subtask: subtask, parallelism: parallelism}, before)
				e.must(e.instance.Open(true))
				var fired []string
				for _, key := range keys {
					if owner(key, parallelism) != subtask {
						continue
					}
					e.must(e.do(key + ": value get"))
					if said := e.said(); !slices.Equal(said, []string{key + ": " + key}) {
						t.Errorf("said %q", said)
					}
					fired = append(fired, key+": timer 0 10 t")
				}
				e.must(e.advance(10))
				said := e.said()
				slices.Sort(said[:len(said)-2])
				slices.Sort(fired)
				if want := append(fired, "-: watermark 10", "-: flush"); !slices.Equal(said, want) {
					t.Errorf("timers: said %q, want %q", said, want)
				}
				e.must(e.do("-: shared all | -: union size"))
				if said := e.said(); !slices.Equal(said, []string{"-: rule=on", "-: 40 40"}) {
					t.Errorf("said %q", said)
				}
				e.must(e.do("-: split all"))
				for _, line := range e.said() {
					split[line]++
				}
			}
			if len(split) != len(keys) || slices.Max(slices.Collect(maps.Values(split))) != 1 {
				t.Errorf("the split table has %d entries, want each of %d once", len(split), len(keys))
			}
		})
	}
}

// barrier: after it, all that the guest knows is in the backend: a new instance on the same
// tables, or on a restored snapshot, goes on as the old one would.
func (s suite) barrier(t *testing.T) {
	e := s.openState(t, settings{})
	e.must(e.do("a: value set 1 | a: cache kept | b: list add x | a: map set s 2 | a: timer set 0 5 value get"))
	e.must(e.do("barrier 7"))
	if value, version, ok, err := e.operator.Get(0, 0, nil, []byte("cached")); !ok || err != nil || string(value) != "kept" || version != stateVersion {
		t.Fatalf("after the barrier, split has %q, version %d, %v, %v", value, version, ok, err)
	}
	keyed, operator := e.snapshot(7)
	next := s.start(t, settings{}, saved{[][]byte{keyed}, [][]byte{operator}})
	next.must(next.instance.Open(true))
	script := `
a: value get | b: list all | a: map all | a: split get cached
  a: 1
  b: x
  a: s=2
  a: kept
W 5
  a: timer 0 5 value get
  a: 1
  -: watermark 5
  -: flush
`
	if got, want := next.script(script), strings.TrimLeft(script, "\n"); got != want {
		t.Errorf("this came:\n%s\nwant:\n%s", got, want)
	}
}

// workload is random commands of few keys, the same for the same seed.
func workload(seed uint64, n int) (commands []string) {
	r := rand.New(rand.NewPCG(seed, 0))
	kinds := []string{
		"value get", "value set %d", "value clear", "map set %[2]d %[1]d", "map set %[2]d %[1]d", "map get %[2]d", "map remove %[2]d",
		"map all", "map clear", "list add %d", "list add %d", "list all", "list clear", "split set %[2]d %[1]d", "split all",
	}
	for range n {
		text := kinds[r.IntN(len(kinds))]
		if strings.Contains(text, "%") {
			text = strings.Split(fmt.Sprintf(text, r.IntN(1000), r.IntN(8)), "%!")[0]
		}
		commands = append(commands, fmt.Sprintf("k%d: %s", r.IntN(12), text))
	}
	return commands
}

// model does commands in plain maps.
type model struct {
	values map[string]string            // by key
	maps   map[string]map[string]string // by table and key
	lists  map[string][]string
	said   []string
}

func (m *model) do(command string) {
	key, text, _ := strings.Cut(command, ": ")
	word := append(strings.Split(text, " "), "", "", "")
	say := func(value string) { m.said = append(m.said, key+": "+value) }
	name := word[0] + key
	if word[0] == "split" {
		name = word[0]
	}
	if m.maps[name] == nil {
		m.maps[name] = map[string]string{}
	}
	get := func(from map[string]string, key string) {
		if value, ok := from[key]; ok {
			say(value)
		} else {
			say("-")
		}
	}
	switch word[0] + " " + word[1] {
	case "value get":
		get(m.values, key)
	case "value set":
		m.values[key] = word[2]
	case "value clear":
		delete(m.values, key)
	case "map get":
		get(m.maps[name], word[2])
	case "map set", "split set":
		m.maps[name][word[2]] = word[3]
	case "map remove":
		delete(m.maps[name], word[2])
	case "map clear":
		delete(m.maps, name)
	case "map all", "split all":
		for _, sub := range slices.Sorted(maps.Keys(m.maps[name])) {
			say(sub + "=" + m.maps[name][sub])
		}
	case "list add":
		m.lists[key] = append(m.lists[key], word[2])
	case "list clear":
		delete(m.lists, key)
	case "list all":
		for _, element := range m.lists[key] {
			say(element)
		}
	}
}

// model: random commands do what they do to plain maps, however they are cut into
// batches, and leave the same in the tables.
func (s suite) model(t *testing.T) {
	commands := workload(1, 1000)
	m := &model{values: map[string]string{}, maps: map[string]map[string]string{}, lists: map[string][]string{}}
	for _, c := range commands {
		m.do(c)
	}
	var contents []string
	for _, size := range []int{1, 7, 100, len(commands)} {
		e := s.openState(t, settings{})
		for batch := range slices.Chunk(commands, size) {
			e.must(e.do(strings.Join(batch, " | ")))
		}
		if said := e.said(); !slices.Equal(said, m.said) {
			at := 0
			for at < min(len(said), len(m.said)) && said[at] == m.said[at] {
				at++
			}
			t.Fatalf("in batches of %d, answer %d differs: %q, want %q", size, at, said[at:min(at+3, len(said))], m.said[at:min(at+3, len(m.said))])
		}
		if now := e.contents(); contents == nil {
			contents = now
		} else if !slices.Equal(now, contents) {
			t.Fatalf("in batches of %d, the tables hold other entries", size)
		}
	}
}

// movesWithState takes images between batches and goes on in other instances; D6: outputs,
// tables and images of two such runs are the same, byte for byte.
func (s suite) movesWithState(t *testing.T) {
	type result struct {
		out    []byte
		images [][]byte
		tables []string
	}
	run := func(move bool) (r result) {
		e := s.openState(t, settings{})
		for n, batch := range slices.Collect(slices.Chunk(workload(2, 400), 50)) {
			e.must(e.do(strings.Join(batch, " | ")))
			e.must(e.do(fmt.Sprintf("k%d: timer set 0 %d value get", n, n+1)))
			e.must(e.do(fmt.Sprint("W ", n)))
			if n%4 != 3 {
				continue
			}
			image, err := imageOf(e.instance)
			e.must(err)
			r.images = append(r.images, image)
			if move {
				e.instance, err = s.module.RestoreHeap(t.Context(), e.config, runOf(image))
				e.must(err)
				instance := e.instance
				t.Cleanup(func() { instance.Close() })
			}
		}
		e.must(e.do("W inf"))
		r.out, r.tables = e.all(), e.contents()
		return r
	}
	stays, again, moves := run(false), run(false), run(true)
	for name, other := range map[string]result{"a second run": again, "a run that moved": moves} {
		if !bytes.Equal(stays.out, other.out) || !slices.Equal(stays.tables, other.tables) {
			t.Errorf("%s gave out or keeps other bytes", name)
		}
		if !slices.EqualFunc(stays.images, other.images, bytes.Equal) {
			t.Errorf("%s has other images", name)
		}
	}
	if _, err := record.Validate(stays.out); err != nil || len(stays.out) == 0 {
		t.Errorf("gave out %d bytes: %v", len(stays.out), err)
	}
}
