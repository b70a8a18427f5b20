package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/s3"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

// network is a connection that fails at every nth request.
type network struct {
	next  http.RoundTripper
	every int64
	fail  func(http.RoundTripper, *http.Request) (*http.Response, error)
	count atomic.Int64
	hits  atomic.Int64
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	if n.count.Add(1)%n.every != 0 {
		return n.next.RoundTrip(r)
	}
	n.hits.Add(1)
	return n.fail(n.next, r)
}

func unavailable(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body.Close()
	}
	return &http.Response{
		StatusCode: http.StatusServiceUnavailable, Status: "503 Service Unavailable", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: r,
	}, nil
}

func reset(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body.Close()
	}
	return nil, syscall.ECONNRESET
}

func lostReply(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	response, err := next.RoundTrip(r)
	if err == nil {
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	return nil, syscall.ECONNRESET
}

// cutReply breaks the connection in the middle of what is read.
func cutReply(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	response, err := next.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet {
		response.Body = &cutBody{response.Body, response.ContentLength / 2}
	}
	return response, err
}

type cutBody struct {
	io.ReadCloser
	left int64
}

func (c *cutBody) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, syscall.ECONNRESET
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

func openWith(t *testing.T, server *storetest.MinIO, prefix string, transport http.RoundTripper) *s3.Store {
	t.Helper()
	o, err := s3.ParseURL(server.URL(prefix))
	if err != nil {
		t.Fatal(err)
	}
	o.Transport = transport
	s, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Row 11: what a network does to every third request is invisible, but for the time it
// takes; the log of a job is written once.
func TestFaultyNetwork(t *testing.T) {
	server := storetest.StartMinIO(t)
	job := id.Job{Namespace: "default", Name: "quakes"}
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for name, fail := range map[string]func(http.RoundTripper, *http.Request) (*http.Response, error){
		"unavailable": unavailable, "reset": reset, "lost reply": lostReply, "cut reply": cutReply,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := &network{next: http.DefaultTransport, every: 3, fail: fail}
			s := openWith(t, server, strings.ReplaceAll(name, " ", "-"), n)
			large := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
			if err := s.Put(t.Context(), "large", bytes.NewReader(large), -1); err != nil {
				t.Fatal(err)
			}
			if err := s.Copy(t.Context(), "large", "copy"); err != nil {
				t.Fatal(err)
			}
			for range 4 {
				r, err := s.Get(t.Context(), "copy", 5, -1)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, large[5:]) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				r.Close()
			}
			l := &snapshots.Log{Store: s, Job: job, Writer: "a"}
			state, err := l.Fence(t.Context(), 1, noon)
			for i := range 6 {
				if err == nil {
					state, err = l.Append(t.Context(), snapshots.Entry{Spec: &snapshots.Spec{From: fmt.Sprint(i)}, Time: noon}, 1)
				}
			}
			if err != nil || state.Next != 8 || state.Spec.From != "5" {
				t.Errorf("%+v, %v", state, err)
			}
			if err := s.Delete(t.Context(), "copy"); err != nil {
				t.Error(err)
			}
			var names []string
			for o, err := range s.List(t.Context(), "") {
				if err != nil {
					t.Error(err)
				}
				names = append(names, o.Name)
			}
			if len(names) != 8 {
				t.Errorf("there is %q", names)
			}
			if n.hits.Load() < 5 {
				t.Errorf("%d faults", n.hits.Load())
			}
		})
	}
}

// A server that does not answer holds nobody longer than its context.
func TestStall(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	stall := &network{every: 1, fail: func(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}}
	s, err := s3.New(s3.Options{Bucket: "wasmill", Endpoint: "localhost:9000", Region: "us-east-1", NoTLS: true, Transport: stall})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.PutIfAbsent(ctx, "log/1", nil); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, fault.ErrTransient) {
		t.Errorf("%v", err)
	}
}

// The server dies and comes back: errors are transient, and what was there is there.
func TestServerDies(t *testing.T) {
	server := storetest.StartMinIO(t)
	s, err := s3.Open(server.URL("p"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PutIfAbsent(t.Context(), "log/1", []byte("a")); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := s.PutIfAbsent(ctx, "log/2", []byte("b")); !errors.Is(err, fault.ErrTransient) {
		t.Errorf("while it is dead: %v", err)
	}
	server.Start(t)
	if err := s.PutIfAbsent(t.Context(), "log/1", []byte("c")); !errors.Is(err, snapshots.ErrExists) {
		t.Errorf("what was there: %v", err)
	}
	if err := s.PutIfAbsent(t.Context(), "log/2", []byte("b")); err != nil {
		t.Errorf("what was not: %v", err)
	}
	misconfigured(t, server)
}

// misconfigured tests that what the user has to put right is said, and not tried again.
func misconfigured(t *testing.T, server *storetest.MinIO) {
	server.Bucket = "other"
	s, err := s3.Open(server.URL("p"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PutIfAbsent(t.Context(), "a", nil); err == nil || errors.Is(err, fault.ErrTransient) || !strings.Contains(err.Error(), `bucket "other" does not exist`) {
		t.Errorf("no bucket: %v", err)
	}
	if _, err := s.Get(t.Context(), "a", 0, -1); err == nil || errors.Is(err, snapshots.ErrNotFound) || !strings.Contains(err.Error(), `bucket "other" does not exist`) {
		t.Errorf("no bucket: %v", err)
	}
	server.Bucket = "wasmill"
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong-wrong-wrong")
	if s, err = s3.Open(server.URL("p")); err != nil {
		t.Fatal(err)
	}
	err = s.PutIfAbsent(t.Context(), "a", nil)
	if err == nil || errors.Is(err, fault.ErrTransient) || !strings.Contains(err.Error(), "AWS_SECRET_ACCESS_KEY") || strings.Contains(err.Error(), "wrong-wrong-wrong") {
		t.Errorf("wrong credentials: %v", err)
	}
}

func TestParseURL(t *testing.T) {
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} {
		t.Setenv(name, "")
	}
	for _, c := range []struct {
		url  string
		want s3.Options
		err  []string // that the error says; none: it is good
	}{
		{"s3://bucket", s3.Options{Bucket: "bucket"}, nil},
		{"s3://bucket/a/b/", s3.Options{Bucket: "bucket", Prefix: "a/b"}, nil},
		{"s3://bkt/p?endpoint=localhost:9000&tls=false&region=eu-1&sse=aes256", s3.Options{Bucket: "bkt", Prefix: "p", Endpoint: "localhost:9000", Region: "eu-1", NoTLS: true, SSE: "aes256"}, nil},
		{"s3://bkt?endpoint=http://minio:9000/", s3.Options{Bucket: "bkt", Endpoint: "minio:9000", NoTLS: true}, nil},
		{"s3://bkt?endpoint=https://minio:9000&sse=kms:my-key", s3.Options{Bucket: "bkt", Endpoint: "minio:9000", SSE: "kms:my-key"}, nil},
		{"s3:///p", s3.Options{}, []string{"no bucket"}},
		{"http://b/p", s3.Options{}, []string{`scheme "http"`}},
		{"s3://key:secret@bkt/p", s3.Options{}, []string{"credentials do not belong in a URL"}},
		{"s3://key:secret@x/y@bkt/p:%", s3.Options{}, []string{"without credentials"}},
		{"s3://key:secret@bkt/p?token=secret@", s3.Options{}, []string{"credentials do not belong in a URL", `unknown parameter "token"`}},
		{"s3://b/p", s3.Options{}, []string{`bucket "b": `}},
		{"s3://bkt/a/../b", s3.Options{}, []string{"prefix"}},
		{"s3://bkt/p?endpint=x&tls=maybe&sse=rot13&region=a&region=b&endpoint=ftp://x", s3.Options{}, []string{`"endpint"`, "tls=maybe", "sse=rot13", "region is given twice", "endpoint=ftp://x"}},
	} {
		got, err := s3.ParseURL(c.url)
		if c.err == nil {
			if err != nil || got != c.want {
				t.Errorf("%s: %+v, %v, want %+v", c.url, got, err, c.want)
			}
			if _, err := s3.Open(c.url); err != nil {
				t.Errorf("%s: %v", c.url, err)
			}
			continue
		}
		for _, w := range c.err {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v, want %s", c.url, err, w)
			}
		}
		if err != nil && strings.Contains(err.Error(), "secret@") {
			t.Errorf("a secret is shown: %v", err)
		}
	}
}
