//go:build !linux

package dovecottest

import "syscall"

// childAttr makes master the leader of a process group, to which it passes on SIGTERM.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
