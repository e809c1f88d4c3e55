//go:build !linux

package store

import (
	"os/exec"
	"syscall"
)

// endWithParent can promise nothing where the kernel has no such signal: a child may outlive a kill -9 of ours, see docs/knownissues.md.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
