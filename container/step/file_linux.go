package step

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// cwd is AT_FDCWD as a system call's argument.
const cwd = ^uintptr(0) - 99 // -100

// Mkdir makes a directory whose mode is Mode, whatever the umask. See mkdir(2)
// and chmod(2).
type Mkdir struct {
	Path string
	Mode uint32
	// Parents accepts a directory that is there already, and leaves it when
	// undone because others may use it. Missing parents are not made.
	Parents bool
}

// Shell prints mkdir.
func (s Mkdir) Shell() string {
	if s.Parents {
		return fmt.Sprintf("mkdir -p -m %04o %s", s.Mode, operand(s.Path))
	}
	return fmt.Sprintf("mkdir -m %04o %s", s.Mode, operand(s.Path))
}

// Do makes the directory.
func (s Mkdir) Do() error { return do(s) }

// Undo removes the directory, unless it may be shared.
func (s Mkdir) Undo() Step {
	if s.Parents {
		return nil
	}
	return Rmdir{Path: s.Path}
}

func (s Mkdir) compile(p *program) {
	path := p.cstring(s.Path)
	c := p.add(unix.SYS_MKDIRAT, cwd, path, uintptr(s.Mode))
	if s.Parents {
		// EROFS comes before EEXIST where the filesystem is read-only.
		c.tolerate(unix.EEXIST, unix.EROFS)
		c.passOver = 1
	}
	p.add(unix.SYS_FCHMODAT, cwd, path, uintptr(s.Mode))
	if s.Parents {
		p.isDirectory(s.Path)
	}
}

// isDirectory fails with ENOTDIR or ENOENT where path is not a directory.
func (p *program) isDirectory(path string) {
	p.add(unix.SYS_FACCESSAT, cwd, p.cstring(path+"/."), unix.F_OK)
}

// MkdirAll makes a directory and the parents that are missing, with modes that
// the umask sets. What is there already is left as it is.
type MkdirAll struct{ Path string }

// Shell prints mkdir -p.
func (s MkdirAll) Shell() string { return "mkdir -p " + operand(s.Path) }

// Do makes the directories.
func (s MkdirAll) Do() error { return do(s) }

// Undo is nil: it is not known which directories the step made.
func (s MkdirAll) Undo() Step { return nil }

func (s MkdirAll) compile(p *program) {
	for i := 1; i <= len(s.Path); i++ {
		if i < len(s.Path) && s.Path[i] != '/' {
			continue
		}
		c := p.add(unix.SYS_MKDIRAT, cwd, p.cstring(s.Path[:i]), 0o777)
		c.tolerate(unix.EEXIST, unix.EROFS)
	}
	p.isDirectory(s.Path)
}

// Rmdir removes an empty directory; one that is gone counts as removed. See
// rmdir(2).
type Rmdir struct{ Path string }

// Shell prints rmdir, which by itself fails when the directory is gone.
func (s Rmdir) Shell() string {
	return fmt.Sprintf("[ ! -e %[1]s ] || rmdir %[1]s", operand(s.Path))
}

// Do removes the directory.
func (s Rmdir) Do() error { return do(s) }

// Undo is nil: a directory that is removed stays so.
func (s Rmdir) Undo() Step { return nil }

func (s Rmdir) compile(p *program) {
	p.add(unix.SYS_UNLINKAT, cwd, p.cstring(s.Path), unix.AT_REMOVEDIR).tolerate(unix.ENOENT)
}

// Touch makes an empty file where there is none, as a place to mount a file on.
type Touch struct{ Path string }

// Shell prints a redirection, which must not open what is there: that may be a
// device, a fifo or on a read-only filesystem.
func (s Touch) Shell() string { return fmt.Sprintf("[ -e %[1]s ] || : > %[1]s", operand(s.Path)) }

// Do makes the file.
func (s Touch) Do() error { return do(s) }

// Undo is nil: the file may have been there.
func (s Touch) Undo() Step { return nil }

func (s Touch) compile(p *program) {
	// mknod opens nothing: device nodes, fifos and read-only filesystems pass.
	c := p.add(unix.SYS_MKNODAT, cwd, p.cstring(s.Path), unix.S_IFREG|0o666, 0)
	c.tolerate(unix.EEXIST, unix.EROFS)
}

// Write writes Data to an existing file, most often one of the kernel's own
// under /sys or /proc, in one write(2). Whoever wants the former value back
// writes it: undoing does nothing.
type Write struct {
	Path, Data string
	// Forks marks a limit on the processes of a group in which the writer is, or
	// will be. A script, whose tools are processes too, opens the file in this
	// place and writes it at its end.
	Forks bool `json:",omitempty"`
}

// Shell prints printf with a redirection.
func (s Write) Shell() string {
	return fmt.Sprintf("printf %%s %s > %s", Quote(s.Data), operand(s.Path))
}

// Do writes the file.
func (s Write) Do() error { return do(s) }

// Undo is nil.
func (s Write) Undo() Step { return nil }

func (s Write) compile(p *program) {
	p.add(unix.SYS_OPENAT, cwd, p.cstring(s.Path), unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC).hold = true
	// A write of nothing is a request to some of the kernel's files, and one
	// that printf never makes.
	if s.Data != "" {
		p.add(unix.SYS_WRITE, 0, p.cstring(s.Data), uintptr(len(s.Data))).onHeld = true
	}
	p.add(unix.SYS_CLOSE).onHeld = true
}

// Mknod makes a character or block device whose mode is Mode, whatever the
// umask. See mknod(2) and chmod(2).
type Mknod struct {
	Path         string
	Type         byte // 'c' or 'b'
	Major, Minor uint32
	Mode         uint32
}

// Shell prints mknod.
func (s Mknod) Shell() string {
	return fmt.Sprintf("mknod -m %04o %s %c %d %d", s.Mode, operand(s.Path), s.Type, s.Major, s.Minor)
}

// Do makes the node.
func (s Mknod) Do() error { return do(s) }

// Undo removes the node.
func (s Mknod) Undo() Step { return Unlink{Path: s.Path} }

func (s Mknod) compile(p *program) {
	kind := uint32(unix.S_IFCHR)
	if s.Type == 'b' {
		kind = unix.S_IFBLK
	}
	path := p.cstring(s.Path)
	p.add(unix.SYS_MKNODAT, cwd, path, uintptr(kind|s.Mode), uintptr(unix.Mkdev(s.Major, s.Minor)))
	p.add(unix.SYS_FCHMODAT, cwd, path, uintptr(s.Mode))
}

// Symlink makes a symbolic link. See symlink(2).
type Symlink struct{ Target, Path string }

// Shell prints ln -s, with -T because a directory at Path is not a place to put
// the link in.
func (s Symlink) Shell() string {
	return fmt.Sprintf("ln -sT %s%s %s", endOptions(s.Target), Quote(s.Target), operand(s.Path))
}

// Do makes the link.
func (s Symlink) Do() error { return do(s) }

// Undo removes the link.
func (s Symlink) Undo() Step { return Unlink{Path: s.Path} }

func (s Symlink) compile(p *program) {
	p.add(unix.SYS_SYMLINKAT, p.cstring(s.Target), cwd, p.cstring(s.Path))
}

// Unlink removes a name; one that is gone counts as removed. See unlink(2).
type Unlink struct{ Path string }

// Shell prints rm -f.
func (s Unlink) Shell() string { return "rm -f " + operand(s.Path) }

// Do removes the name.
func (s Unlink) Do() error { return do(s) }

// Undo is nil.
func (s Unlink) Undo() Step { return nil }

func (s Unlink) compile(p *program) {
	p.add(unix.SYS_UNLINKAT, cwd, p.cstring(s.Path), 0).tolerate(unix.ENOENT, unix.ENOTDIR)
}

// Chown gives a path, not what it links to, to a user and a group. See
// chown(2).
type Chown struct {
	Path     string
	UID, GID uint32
}

// Shell prints chown.
func (s Chown) Shell() string { return fmt.Sprintf("chown -h %d:%d %s", s.UID, s.GID, operand(s.Path)) }

// Do changes the owner.
func (s Chown) Do() error { return do(s) }

// Undo is nil: the step is for what its plan made itself.
func (s Chown) Undo() Step { return nil }

func (s Chown) compile(p *program) {
	p.add(unix.SYS_FCHOWNAT, cwd, p.cstring(s.Path), uintptr(s.UID), uintptr(s.GID), unix.AT_SYMLINK_NOFOLLOW)
}

// Chdir changes the working directory of the process. In a Go program that has
// several threads it is a step of an inside plan only. See chdir(2).
type Chdir struct{ Path string }

// Shell prints cd, with -P where the path has a ".." that sh would take off the
// words of the path, not of what its links lead to.
func (s Chdir) Shell() string {
	path := s.Path
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, ".") {
		path = "./" + path // neither "cd -" nor a directory of CDPATH
	}
	if strings.Contains(path, "..") {
		return "cd -P " + Quote(path)
	}
	return "cd " + Quote(path)
}

// Do changes the directory.
func (s Chdir) Do() error { return do(s) }

// Undo is nil.
func (s Chdir) Undo() Step { return nil }

func (s Chdir) compile(p *program) { p.add(unix.SYS_CHDIR, p.cstring(s.Path)) }
