//go:build amd64 || arm64

package prefetch

// lines asks for memory to be brought near and does not wait for it: as many loads
// overlap as the machine can bear, however much is done between them.
//
//go:noescape
func lines(places *uintptr, n int)
