package connector

import (
	"bytes"
	"testing"

	"github.com/wasmill/wasmill/runtime/operator"
)

// Chunks come back as they were made; foreign bytes are an error, never a panic.
func FuzzChunk(f *testing.F) {
	good := appendStaged(appendStaged(appendChunkHead(nil, 7), []byte("out.a"), nil, []byte("data")), []byte("out.b"), []byte{}, nil)
	f.Add(good, "s", []byte("k"), []byte("d"))
	f.Add(good[:len(good)-1], "", []byte(nil), []byte(nil))
	f.Add([]byte{1, 7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, "x", []byte{0}, []byte{0})
	f.Fuzz(func(t *testing.T, foreign []byte, subject string, key, data []byte) {
		if r, err := openChunk(foreign, 7); err == nil {
			for more := true; more && err == nil; {
				more, err = r.next()
			}
		}
		chunk := appendStaged(appendChunkHead(nil, 3), []byte(subject), key, data)
		r, err := openChunk(chunk, 3)
		if err != nil {
			t.Fatal(err)
		}
		if more, err := r.next(); !more || err != nil || string(r.subject) != subject || !bytes.Equal(r.key, key) || (r.key == nil) != (key == nil) || !bytes.Equal(r.data, data) {
			t.Errorf("got %q %q %q (%t, %v)", r.subject, r.key, r.data, more, err)
		}
		if more, err := r.next(); more || err != nil {
			t.Errorf("there is more (%v)", err)
		}
		if _, err := openChunk(chunk, 4); err == nil {
			t.Error("chunk 3 is taken for chunk 4")
		}
	})
}

// A position that can be read is what it was when it is written again.
func FuzzStreamSplit(f *testing.F) {
	for _, s := range [][2]string{{">", "1"}, {"orders.*#3/4", "7/90"}, {"a#4/4", "1"}, {"a", "x"}, {"a..b", "1"}, {"a#1/1", "0"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, id, position string) {
		s, err := parseStreamSplit(operator.Split{ID: id, Position: position})
		if err != nil {
			return
		}
		written := s.position()
		again, err := parseStreamSplit(written)
		if err != nil || again != s {
			t.Errorf("%q at %q is %+v, written %+v and read %+v (%v)", id, position, s, written, again, err)
		}
	})
}

// Whatever the key, the subject is one that can be published to, and no other key has it.
func FuzzKeyToken(f *testing.F) {
	f.Add([]byte("a.b"), []byte("a%2Eb"))
	f.Add([]byte(""), []byte("_"))
	f.Add([]byte("_"), []byte("%5F"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, y := string(appendToken(nil, a)), string(appendToken(nil, b))
		for _, token := range []string{x, y} {
			if token == "*" || token == ">" || validPattern("out."+token) != nil || !covers("out.*", "out."+token) {
				t.Errorf("%q is no token", token)
			}
		}
		if x == y && !bytes.Equal(a, b) {
			t.Errorf("%q and %q are both %q", a, b, x)
		}
	})
}

func TestAckNumbers(t *testing.T) {
	for _, c := range []struct {
		reply    string
		sequence uint64
		stored   int64
		ok       bool
	}{
		{"$JS.ACK.IN.consumer.1.17.3.1700000000000000000.9", 17, 1700000000000000000, true},
		{"$JS.ACK.hub.ACCOUNT.IN.consumer.1.17.3.1700000000000000000.9", 17, 1700000000000000000, true},
		{"$JS.ACK.hub.ACCOUNT.IN.consumer.1.17.3.1700000000000000000.9.token", 17, 1700000000000000000, true},
		{"$JS.ACK.IN.consumer.1.x.3.17.9", 0, 0, false},
		{"$JS.ACK.IN", 0, 0, false},
		{"_INBOX.x", 0, 0, false},
	} {
		sequence, stored, ok := ackNumbers(c.reply)
		if ok != c.ok || ok && (sequence != c.sequence || stored != c.stored) {
			t.Errorf("%s: got %d, %d, %t", c.reply, sequence, stored, ok)
		}
	}
}

func TestSubjectPatterns(t *testing.T) {
	for _, c := range []struct {
		filter, pattern string
		covers, meet    bool
	}{
		{"a.b", "a.b", true, true}, {"a.b", "a.c", false, false}, {"a.*", "a.b", true, true}, {"a.b", "a.*", false, true}, {"*.b", "a.*", false, true},
		{"a.>", "a.b.c", true, true}, {"a.>", "a", false, false}, {"a", "a.>", false, false}, {">", "a.>", true, true}, {"a.>", ">", false, true},
		{"a.*.c", "a.>", false, true}, {"a.b.c", "a.b", false, false}, {"a.*", "a.*.*", false, false},
	} {
		if got := covers(c.filter, c.pattern); got != c.covers {
			t.Errorf("%s covers %s: %t", c.filter, c.pattern, got)
		}
		if got := meet(c.filter, c.pattern); got != c.meet || meet(c.pattern, c.filter) != got {
			t.Errorf("%s meets %s: %t", c.filter, c.pattern, got)
		}
	}
}
