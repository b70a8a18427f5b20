// Package c holds the C SDK, for tools that write it beside an operator. The SDK is
// wasmill.h; README.md says how to use it.
package c

import "embed"

// SDK is the headers and their README.
//
//go:embed README.md *.h
var SDK embed.FS
