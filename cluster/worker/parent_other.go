//go:build !linux

package worker

import "os/exec"

// dieWithParent does nothing here: an engine ends when its pings do.
func dieWithParent(*exec.Cmd) {}
