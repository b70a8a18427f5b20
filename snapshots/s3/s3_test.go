package s3_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/s3"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

func TestStore(t *testing.T) {
	server := storetest.StartMinIO(t)
	n := 0
	for _, sse := range []string{"", "&sse=kms:wasmill-key"} {
		t.Run("encryption"+sse, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) snapshots.Store {
				n++
				s, err := s3.Open(server.URL(fmt.Sprintf("some/prefix-%d", n)) + sse)
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
	for sse, encrypted := range map[string]string{"": "", "&sse=aes256": "AES256", "&sse=kms:wasmill-key": "aws:kms"} {
		if got := encryption(t, server, sse); got != encrypted {
			t.Errorf("with %q the server says %q, want %q", sse, got, encrypted)
		}
	}
}

// encryption writes an object and tells how the server says it lies there.
func encryption(t *testing.T, server *storetest.MinIO, sse string) (header string) {
	t.Helper()
	o, err := s3.ParseURL(server.URL("encrypted") + sse)
	if err != nil {
		t.Fatal(err)
	}
	o.Transport = watcher(func(r *http.Response) {
		if r.Request.Method == http.MethodGet {
			header = r.Header.Get("X-Amz-Server-Side-Encryption")
		}
	})
	s, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "x", strings.NewReader("secret"), 6); err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), "x", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(r); err != nil || string(data) != "secret" {
		t.Errorf("%q, %v", data, err)
	}
	r.Close()
	return header
}

// watcher sees every response.
type watcher func(*http.Response)

func (w watcher) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		w(response)
	}
	return response, err
}
