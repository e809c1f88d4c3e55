package postfixtest

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// makeQueue makes the folders of queue_directory and data_directory with their owners, as conf/postfix-files has them.
// "postfix start" would do it too, but master, which we start ourselves, does not.
func (p *Postfix) makeQueue() error {
	owner, err := user.Lookup("postfix")
	if err != nil {
		return err
	}
	group, err := user.LookupGroup("postdrop")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(owner.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(group.Gid)
	if err != nil {
		return err
	}
	folder := func(name string, mode os.FileMode, uid, gid int) error {
		dir := filepath.Join(p.dir, name)
		if err := os.MkdirAll(dir, mode); err != nil {
			return err
		}
		if err := os.Chmod(dir, mode); err != nil { // the umask may have taken something away
			return err
		}
		return os.Chown(dir, uid, gid)
	}
	for _, name := range []string{"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"} {
		if err := folder("queue/"+name, 0o700, uid, -1); err != nil {
			return err
		}
	}
	for name, mode := range map[string]os.FileMode{"queue/maildrop": 0o730, "queue/public": 0o710} {
		if err := folder(name, mode, uid, gid); err != nil {
			return err
		}
	}
	if err := folder("data", 0o700, uid, -1); err != nil {
		return err
	}
	return folder("queue/pid", 0o755, 0, 0)
}
