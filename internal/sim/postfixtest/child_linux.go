package postfixtest

import "syscall"

// childAttr makes master the leader of a process group, to which it passes on SIGTERM, and lets the kernel end it with the
// test binary.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
