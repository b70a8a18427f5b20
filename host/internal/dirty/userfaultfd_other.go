//go:build !linux

package dirty

func newUserfaultfd([]byte) (Tracker, error) { return nil, errUnsupported }
