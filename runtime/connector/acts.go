package connector

// acts counts what a two-phase sink does to its destination, so that a test can have
// it die before any of it. The zero value lets all happen.
type acts struct{ before func() error }

// next is called before each.
func (a acts) next() error {
	if a.before == nil {
		return nil
	}
	return a.before()
}
