//go:build !linux

package pglaunch

import "syscall"

// dieWithParent has no equivalent here: the next start stops what was left.
func dieWithParent(*syscall.SysProcAttr) {}
