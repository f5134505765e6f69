package pglaunch

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who runs the server. Postgres refuses root, so that root hands it
// to an unprivileged account; anyone else runs it themselves.
type account struct {
	name       string
	credential *syscall.Credential // nil: the caller's own
}

func serverAccount(cluster string) (*account, error) {
	if os.Geteuid() != 0 {
		return &account{}, nil
	}
	// An existing cluster stays with its owner, also when a better account
	// appeared since, as it does when Postgres is installed later.
	if st, err := os.Stat(cluster); err == nil {
		if sys, ok := st.Sys().(*syscall.Stat_t); ok && sys.Uid != 0 {
			return &account{fmt.Sprintf("uid %d", sys.Uid), &syscall.Credential{Uid: sys.Uid, Gid: sys.Gid}}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("account %s: %w", name, err)
		}
		return &account{name, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return nil, errors.New("the private Postgres cannot run as root, and this machine has neither an account postgres nor nobody: " +
		"run Tollgate as an ordinary user, or give a database with TOLLGATE_DATABASE_URL")
}

func (a *account) mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make the private Postgres cluster: %w", err)
	}
	return a.chown(dir)
}

func (a *account) chown(name string) error {
	if a.credential == nil {
		return nil
	}
	if err := os.Chown(name, int(a.credential.Uid), int(a.credential.Gid)); err != nil {
		return fmt.Errorf("hand %s to %s: %w", name, a.name, err)
	}
	return nil
}

// canReach checks that the account may pass through every directory above dir.
func (a *account) canReach(dir string) error {
	if a.credential == nil {
		return nil
	}
	for d := dir; ; d = filepath.Dir(d) {
		st, err := os.Stat(d)
		if err != nil {
			return fmt.Errorf("look at %s: %w", d, err)
		}
		if !a.passes(st) {
			return fmt.Errorf("the account %s, which runs Postgres for root, may not enter %s (mode %o): "+
				"set TOLLGATE_DATA_DIR to a directory such as /var/lib/tollgate", a.name, d, st.Mode().Perm())
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}

func (a *account) passes(st os.FileInfo) bool {
	mode := st.Mode().Perm()
	sys, ok := st.Sys().(*syscall.Stat_t)
	switch {
	case ok && sys.Uid == a.credential.Uid:
		return mode&0o100 != 0
	case ok && sys.Gid == a.credential.Gid:
		return mode&0o010 != 0
	}
	return mode&0o001 != 0
}
