package worker

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill a process when the thread that started it ends, so
// that even a stopped engine does not outlive its supervisor.
func dieWithParent(c *exec.Cmd) {
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
