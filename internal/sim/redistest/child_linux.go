package redistest

import "syscall"

// childAttr lets the kernel kill the server with its parent. (The signal comes when the parent's thread ends; the Go runtime
// ends threads only in goroutines that exit locked to them, which tests do not.)
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
