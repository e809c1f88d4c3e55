package dovecottest

import "syscall"

// childAttr makes Dovecot the leader of a process group and lets the kernel end it with the test binary.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
