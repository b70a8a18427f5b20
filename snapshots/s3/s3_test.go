package s3_test

import (
	"fmt"
	"testing"

	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/s3"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

func TestStore(t *testing.T) {
	server := storetest.StartMinIO(t)
	n := 0
	for _, sse := range []string{"", "&sse=aes256", "&sse=kms:wasmill-key"} {
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
}
