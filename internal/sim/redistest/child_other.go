//go:build !linux

package redistest

import "syscall"

// childAttr has nothing to ask of systems without a parent-death signal.
func childAttr() *syscall.SysProcAttr { return nil }
