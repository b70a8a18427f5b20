package connector_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/connector/conntest"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

func stdinOf(in io.Reader, c operator.Collector) connector.Context {
	ctx := at("in", 0, 1, nil, c)
	ctx.Stdin = in
	return ctx
}

func stdin(decode string) *graph.Operator {
	return source("stdin", graph.Format{Decode: decode}, map[string]any{"maxLine": 1000})
}

func TestStdin(t *testing.T) {
	text := "a\r\n\n" + strings.Repeat("x", 2000) + "\nb\n{\"k\":1}"
	file, err := os.Open(filepath.Join(write(t, map[string]string{"in": text}), "in"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, in := range map[string]io.Reader{"a file": file, "any reader": strings.NewReader(text), "byte by byte": &trickle{text: text}} {
		t.Run(name, func(t *testing.T) {
			var got valueList
			s := openSource(t, stdin("lines"), stdinOf(in, &got))
			conntest.Drain(t, s, 2)
			if want := []string{"a", "", "b", `{"k":1}`}; !slices.Equal(got.values, want) || len(got.Rejected) != 1 || !strings.HasPrefix(got.Rejected[0], "stdin:3: a line of") {
				t.Errorf("got %q, rejected %q", got.values, got.Rejected)
			}
			if p := s.Position(); !slices.Equal(p, []operator.Split{{ID: "stdin", Position: "5", Done: true}}) {
				t.Errorf("ends at position %v", p)
			}
		})
	}
}

// trickle is a reader that gives a byte at a time.
type trickle struct{ text string }

func (r *trickle) Read(p []byte) (int, error) {
	if r.text == "" {
		return 0, io.EOF
	}
	n := copy(p[:1], r.text)
	r.text = r.text[n:]
	return n, nil
}

func TestStdinNeverWaits(t *testing.T) {
	for name, pipe := range map[string]func(*testing.T) (io.Reader, io.WriteCloser){
		"a pipe of the system": func(t *testing.T) (io.Reader, io.WriteCloser) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close(); w.Close() })
			return r, w
		},
		"a reader that can be closed": func(*testing.T) (io.Reader, io.WriteCloser) { return io.Pipe() },
	} {
		t.Run(name, func(t *testing.T) {
			r, w := pipe(t)
			var got valueList
			s := openSource(t, stdin("lines"), stdinOf(r, &got))
			wantIdle(t, s)
			for _, part := range []string{"one\ntw", "o\nthr"} {
				if _, err := io.WriteString(w, part); err != nil {
					t.Fatal(err)
				}
				wantIdleAfter(t, s, &got, len(got.values)+1)
			}
			if want := []string{"one", "two"}; !slices.Equal(got.values, want) {
				t.Errorf("got %q, want %q", got.values, want)
			}
			// Close returns although nothing comes any more.
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("close again: %v", err)
			}
		})
	}
}

func wantIdle(t *testing.T, s operator.Source) {
	t.Helper()
	if status, err := s.Poll(10); status != operator.Idle || err != nil {
		t.Fatalf("poll: got status %d (%v), want idle", status, err)
	}
}

// wantIdleAfter polls when the source says so until there are n values, and it idles.
func wantIdleAfter(t *testing.T, s operator.Source, got *valueList, n int) {
	t.Helper()
	for {
		<-s.Ready()
		status, err := s.Poll(10)
		if err != nil {
			t.Fatal(err)
		}
		if status == operator.Idle && len(got.values) >= n {
			return
		}
		if status == operator.More {
			wantIdle(t, s)
			return
		}
	}
}

func TestStdinIsBounded(t *testing.T) {
	const most = 2 << 20
	in := &endless{}
	s := openSource(t, stdin("lines"), stdinOf(in, &counter{}))
	for range 1000 {
		if _, err := s.Poll(1); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if in.read > most {
		t.Errorf("%d bytes are read ahead of 1000 lines, more than %d", in.read, most)
	}
}

// endless gives lines for ever.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "line\n"[i%5]
	}
	e.read += len(p)
	return len(p), nil
}

func (e *endless) Close() error { return nil }

func TestStdinElsewhere(t *testing.T) {
	_, err := connector.OpenSource(t.Context(), stdin("lines"), stdinOf(nil, nil))
	wantFault(t, err, "stdin", "standard input is not there", "in one process")
}

func TestStdinGoesOnCounting(t *testing.T) {
	c := stdinOf(strings.NewReader("x\n"), &conntest.Recorder{})
	c.Restore = []operator.Split{{ID: "stdin", Position: "41"}}
	s := openSource(t, stdin("json"), c)
	conntest.Drain(t, s, 10)
	if r := c.Collector.(*conntest.Recorder); len(r.Rejected) != 1 || !strings.HasPrefix(r.Rejected[0], "stdin:42: ") {
		t.Errorf("got %q, want a rejection at stdin:42", r.Rejected)
	}
	c.Restore = []operator.Split{{ID: "stdin", Position: "many"}}
	if _, err := connector.OpenSource(t.Context(), stdin("json"), c); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("a strange position: got error %v, want a corruption", err)
	}
}

func socket(address string) *graph.Operator {
	return source("socket", graph.Format{Decode: "lines"}, map[string]any{"address": address, "maxLine": 1000})
}

func TestSocket(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	var got valueList
	s := openSource(t, socket(address), at("in", 0, 1, nil, &got))
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	wantIdle(t, s)
	if _, err := io.WriteString(conn, "hello\r\nwor"); err != nil {
		t.Fatal(err)
	}
	wantIdleAfter(t, s, &got, 1)
	if _, err := io.WriteString(conn, "ld"); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	conntest.Drain(t, s, 10)
	if want := []string{"hello", "world"}; !slices.Equal(got.values, want) {
		t.Errorf("got %q, want %q", got.values, want)
	}

	t.Run("reset by its peer", func(t *testing.T) {
		s := openSource(t, socket(address), at("in", 0, 1, nil, &counter{}))
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		wantIdle(t, s)
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
		<-s.Ready()
		_, err = s.Poll(10)
		wantFault(t, err, address, "read: connection reset by peer", "")
		if !errors.Is(err, fault.ErrTransient) {
			t.Errorf("%v is not transient", err)
		}
	})
	t.Run("closed while it waits", func(t *testing.T) {
		s := openSource(t, socket(address), at("in", 0, 1, nil, &counter{}))
		wantIdle(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		listener.Close()
		_, err := connector.OpenSource(t.Context(), socket(address), at("in", 0, 1, nil, nil))
		wantFault(t, err, address, "connect socket: connection refused", "nc -lk")
	})
}
