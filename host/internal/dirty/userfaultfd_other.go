//go:build !linux

package dirty

import "errors"

func newUserfaultfd([]byte) (Tracker, error) {
	return nil, errors.New("this system has no userfaultfd")
}
