package step

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Mount is one call of mount(2). Flags are MS_ constants and choose what the
// call does: a new mount, a bind (MS_BIND), a change of flags (MS_REMOUNT), of
// the place (MS_MOVE) or of the propagation (MS_PRIVATE and its like).
type Mount struct {
	Source, Target, Type string
	Flags                uintptr
	Data                 string // the filesystem's own options
}

// propagation flags and their words in mount(8).
var propagation = []struct {
	flag uintptr
	word string
}{
	{unix.MS_PRIVATE, "private"},
	{unix.MS_SLAVE, "slave"},
	{unix.MS_SHARED, "shared"},
	{unix.MS_UNBINDABLE, "unbindable"},
}

// options are the flags that mount(8) has a word for, and the word that takes
// the flag back.
var options = []struct {
	flag       uintptr
	word, back string
}{
	{unix.MS_RDONLY, "ro", "rw"},
	{unix.MS_NOSUID, "nosuid", "suid"},
	{unix.MS_NODEV, "nodev", "dev"},
	{unix.MS_NOEXEC, "noexec", "exec"},
	{unix.MS_SYNCHRONOUS, "sync", "async"},
	{unix.MS_DIRSYNC, "dirsync", ""},
	{unix.MS_NOATIME, "noatime", "atime"},
	{unix.MS_NODIRATIME, "nodiratime", "diratime"},
	{unix.MS_RELATIME, "relatime", "norelatime"},
	{unix.MS_STRICTATIME, "strictatime", "nostrictatime"},
	{unix.MS_NOSYMFOLLOW, "nosymfollow", "symfollow"},
	{unix.MS_LAZYTIME, "lazytime", "nolazytime"},
	{unix.MS_MANDLOCK, "mand", "nomand"},
	{unix.MS_I_VERSION, "iversion", "noiversion"},
	{unix.MS_SILENT, "silent", "loud"},
}

// MountFlags returns the MS_ flags of the options that mount(8) knows and, as
// one string, those that are for the filesystem. Of two that contradict each
// other the last one counts.
func MountFlags(words []string) (flags uintptr, data string) {
	var rest []string
next:
	for _, word := range words {
		switch word {
		case "bind":
			flags |= unix.MS_BIND
			continue
		case "rbind":
			flags |= unix.MS_BIND | unix.MS_REC
			continue
		case "remount":
			flags |= unix.MS_REMOUNT
			continue
		case "defaults", "":
			continue
		}
		for _, o := range options {
			switch word {
			case o.word:
				flags |= o.flag
				continue next
			case o.back:
				flags &^= o.flag
				continue next
			}
		}
		rest = append(rest, word)
	}
	return flags, strings.Join(rest, ",")
}

// Shell prints mount(8) with the flags as words.
func (s Mount) Shell() string {
	rec := ""
	if s.Flags&unix.MS_REC != 0 {
		rec = "r"
	}
	source, end := s.Source, endOptions(s.Source, s.Target)
	if source == "" {
		source = "none" // the kernel's own word for it
	}
	names := end + Quote(source) + " " + Quote(s.Target)
	for _, pr := range propagation {
		if s.Flags&pr.flag != 0 {
			return fmt.Sprintf("mount --make-%s%s %s%s", rec, pr.word, end, Quote(s.Target))
		}
	}
	switch {
	case s.Flags&unix.MS_MOVE != 0:
		return "mount --move " + names
	case s.Flags&unix.MS_REMOUNT != 0:
		// With both names given, mount(8) adds nothing from its tables.
		return fmt.Sprintf("mount -o %s %s", Quote(strings.TrimSuffix("remount,"+s.words(), ",")), names)
	case s.Flags&unix.MS_BIND != 0:
		return fmt.Sprintf("mount --%sbind %s", rec, names)
	}
	opts := ""
	if w := s.words(); w != "" {
		opts = "-o " + Quote(w) + " "
	}
	return fmt.Sprintf("mount -t %s %s%s", Quote(s.Type), opts, names)
}

// words returns flags and data as the argument of mount -o.
func (s Mount) words() string {
	var words []string
	if s.Flags&unix.MS_BIND != 0 {
		words = append(words, "bind")
	}
	words = append(words, optionWords(s.Flags)...)
	if s.Data != "" {
		words = append(words, s.Data)
	}
	return strings.Join(words, ",")
}

// optionWords returns the flags that mount(8) has a word for.
func optionWords(flags uintptr) []string {
	var words []string
	for _, o := range options {
		if flags&o.flag != 0 {
			words = append(words, o.word)
		}
	}
	return words
}

// change says what the flags make of the call, "" for a new mount.
func (s Mount) change() string {
	rec := ""
	if s.Flags&unix.MS_REC != 0 {
		rec = "r"
	}
	for _, pr := range propagation {
		if s.Flags&pr.flag != 0 {
			return rec + pr.word
		}
	}
	switch {
	case s.Flags&unix.MS_MOVE != 0:
		return "move"
	case s.Flags&unix.MS_REMOUNT != 0 && s.Flags&unix.MS_BIND != 0:
		return "remount,bind"
	case s.Flags&unix.MS_REMOUNT != 0:
		return "remount"
	case s.Flags&unix.MS_BIND != 0:
		return rec + "bind"
	}
	return ""
}

// Do mounts.
func (s Mount) Do() error { return do(s) }

// Undo unmounts what the step mounted; changes of flags are not taken back.
func (s Mount) Undo() Step {
	change := uintptr(unix.MS_REMOUNT | unix.MS_PRIVATE | unix.MS_SLAVE | unix.MS_SHARED | unix.MS_UNBINDABLE)
	if s.Flags&change != 0 {
		return nil
	}
	return Unmount{Target: s.Target, Flags: unix.MNT_DETACH}
}

func (s Mount) compile(p *program) {
	p.add(unix.SYS_MOUNT, p.optional(s.Source), p.cstring(s.Target), p.optional(s.Type), s.Flags, p.optional(s.Data))
}

func (s Mount) hint(err error) string {
	switch {
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return noSysAdmin()
	case errors.Is(err, unix.ENODEV):
		return fmt.Sprintf("the kernel has no %s filesystem: load it with 'modprobe %s', or use a kernel that has it", s.Type, s.Type)
	case s.Type == "overlay" && errors.Is(err, unix.EINVAL):
		return "overlayfs refuses an upper directory on another overlay, on NFS, or on a filesystem without xattrs: give --root a directory on ext4, xfs or tmpfs"
	case s.Type == "overlay" && errors.Is(err, unix.ELOOP):
		return "the directory under --root is itself a stack of overlays that is too deep: give --root a directory on ext4, xfs or tmpfs"
	}
	return ""
}

// MoveMount attaches a detached mount, made by open_tree(2) with
// OPEN_TREE_CLONE, at a path. The descriptor is opened before the plan runs,
// while Source can still be reached. See move_mount(2).
type MoveMount struct {
	FD             int
	Source, Target string
	Recursive      bool // the descriptor was opened with AT_RECURSIVE
	ReadOnly       bool // and made read-only, with all that is mounted below
}

// Shell prints the bind mount that has the same effect.
func (s MoveMount) Shell() string {
	names := endOptions(s.Source, s.Target) + Quote(s.Source) + " " + Quote(s.Target)
	bind := "--bind "
	if s.Recursive {
		bind = "--rbind "
	}
	if s.ReadOnly {
		bind += "-o ro=recursive " // util-linux 2.39
	}
	return "mount " + bind + names
}

// Do attaches the mount.
func (s MoveMount) Do() error { return do(s) }

// Undo unmounts it.
func (s MoveMount) Undo() Step { return Unmount{Target: s.Target, Flags: unix.MNT_DETACH} }

func (s MoveMount) compile(p *program) {
	empty := p.cstring("")
	p.add(unix.SYS_MOVE_MOUNT, uintptr(s.FD), empty, cwd, p.cstring(s.Target), unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_SYMLINKS)
}

func (s MoveMount) hint(err error) string {
	switch {
	case errors.Is(err, unix.ENOTDIR):
		return "a directory can be mounted on a directory only, and a file on a file: check whether the host path exists and is of the expected type"
	case errors.Is(err, unix.ENOSYS):
		return "move_mount(2) requires Linux 5.2 or later"
	}
	return ""
}

// Prepared attaches a mount that was made before the plan runs, with fsopen(2)
// and fsmount(2), and is nowhere yet. See move_mount(2).
type Prepared struct {
	FD int
	Mount
}

// Do attaches the mount.
func (s Prepared) Do() error { return do(s) }

func (s Prepared) compile(p *program) { MoveMount{FD: s.FD, Target: s.Target}.compile(p) }

func (s Prepared) hint(err error) string { return MoveMount{}.hint(err) }

// Unmount detaches the mount at a path; one that is gone counts as detached.
// Flags are MNT_ constants. See umount(2).
type Unmount struct {
	Target string
	Flags  int
}

// Shell prints umount(8), which unlike the step fails where nothing is mounted.
func (s Unmount) Shell() string {
	options := s.options()
	if options != "" {
		options += " "
	}
	return "umount " + options + operand(s.Target)
}

// options are the flags as umount(8) has them.
func (s Unmount) options() string {
	var words []string
	if s.Flags&unix.MNT_FORCE != 0 {
		words = append(words, "-f")
	}
	if s.Flags&unix.MNT_DETACH != 0 {
		words = append(words, "-l")
	}
	return strings.Join(words, " ")
}

// Do unmounts.
func (s Unmount) Do() error { return do(s) }

// Undo is nil.
func (s Unmount) Undo() Step { return nil }

func (s Unmount) compile(p *program) {
	p.add(unix.SYS_UMOUNT2, p.cstring(s.Target), uintptr(s.Flags)).tolerate(unix.EINVAL, unix.ENOENT)
}

// PivotRoot makes the mount at New the root of the mount namespace and puts
// the former root at Old. Both may be ".", with New as the working directory:
// the former root is then stacked on the new one, "." leads to it, and no
// directory of the image is needed for it. See pivot_root(2), whose notes tell
// this form.
type PivotRoot struct{ New, Old string }

// Shell prints pivot_root(8).
func (s PivotRoot) Shell() string {
	return fmt.Sprintf("pivot_root %s %s", operand(s.New), operand(s.Old))
}

// Do pivots.
func (s PivotRoot) Do() error { return do(s) }

// Undo is nil: the end of the mount namespace is the undo.
func (s PivotRoot) Undo() Step { return nil }

func (s PivotRoot) compile(p *program) {
	p.add(unix.SYS_PIVOT_ROOT, p.cstring(s.New), p.cstring(s.Old))
}

func (s PivotRoot) hint(err error) string {
	switch {
	case errors.Is(err, unix.EINVAL):
		return "pivot_root needs a root that is a mount point, is not shared with other namespaces, and does not lie on the kernel's first ramfs"
	case errors.Is(err, unix.EPERM):
		return noSysAdmin()
	}
	return ""
}

// Chroot changes the root directory of the process, and the working directory
// to it, so that no relative path leads out. A plan uses it only after an
// MS_MOVE, where the host's root is a ramfs that can't be pivoted away. See
// chroot(2).
type Chroot struct{ Path string }

// Shell prints chroot(1), a prefix of the command.
func (s Chroot) Shell() string { return "chroot " + operand(s.Path) }

// Do changes the root.
func (s Chroot) Do() error { return do(s) }

// Undo is nil.
func (s Chroot) Undo() Step { return nil }
func (s Chroot) wraps()     {}

func (s Chroot) compile(p *program) {
	p.add(unix.SYS_CHROOT, p.cstring(s.Path))
	p.add(unix.SYS_CHDIR, p.cstring("/"))
}

// noSysAdmin says why the kernel may have refused a privileged request.
func noSysAdmin() string {
	if os.Geteuid() != 0 {
		return "this needs CAP_SYS_ADMIN: run gocker as root"
	}
	var set unix.CapUserData
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_1}
	if err := unix.Capget(&hdr, &set); err == nil && set.Effective&(1<<unix.CAP_SYS_ADMIN) == 0 {
		return "root lacks CAP_SYS_ADMIN here: inside another container, start that one with --privileged"
	}
	return "a security module (AppArmor, SELinux, seccomp) may forbid it: see the kernel log"
}
