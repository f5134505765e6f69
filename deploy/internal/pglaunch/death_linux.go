package pglaunch

import "syscall"

// dieWithParent lets the kernel shut the server down when this process is
// killed: SIGINT is Postgres's fast, clean shutdown.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }
