package store

import (
	"os/exec"
	"syscall"
)

// endWithParent lets the kernel end the child when we are killed; its own group keeps a terminal's Ctrl-C from it, so that we can finish first.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
}
