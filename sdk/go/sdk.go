//go:build !wasip1

package wasmill

import "embed"

// SDK is the source of this module, for tools that write it beside an operator.
//
//go:embed go.mod README.md *.go config/*.go wasmilltest/*.go
var SDK embed.FS
