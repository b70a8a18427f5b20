//go:build !linux

package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
)

// forbid runs a program: there is no userfaultfd.
func forbid(context.Context) error {
	args := os.Args[1:]
	return fmt.Errorf("run %s: %w", args[0], syscall.Exec(args[0], args, withoutRole(os.Environ())))
}
