package layers

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Packer writes files as the entries of a tar, in PAX format: owners, modes, times
// to the nanosecond, extended attributes but for overlayfs's own, and hard links
// among what is written. Sockets have no place in a tar and are left out. What it
// packs may be changed by a hostile container meanwhile: no link is followed, no
// open blocks, and a file is as long as it was when its entry began.
type Packer struct {
	Content int64 // bytes of the files that were packed

	tar   *tar.Writer
	links map[fileID]string // names of files that have several
}

type fileID struct{ dev, ino uint64 }

// NewPacker returns a packer that writes to w.
func NewPacker(w io.Writer) *Packer {
	return &Packer{tar: tar.NewWriter(w), links: map[fileID]string{}}
}

// Close ends the tar. It does not close what the tar is written to.
func (p *Packer) Close() error { return p.tar.Close() }

// Add packs what base is in an open directory under a name, a directory with all
// that is in it. The name is relative; "" stands for a directory whose entries have
// no prefix and that has none itself. Of a kernel's own filesystem within (proc,
// sysfs, cgroups, terminals, queues) only the directory is packed.
func (p *Packer) Add(dir *os.File, base, name string) error {
	if err := p.add(int(dir.Fd()), base, name); err != nil {
		return fmt.Errorf("pack %s: %w", path.Join(dir.Name(), base), err)
	}
	return nil
}

func (p *Packer) add(dirfd int, base, name string) error {
	isDir, err := p.entry(dirfd, base, name)
	if err != nil || !isDir {
		return err
	}
	fd, err := unix.Openat(dirfd, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return ignoreVanished(err)
	}
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	if slices.Contains(kernelFilesystems, int64(fs.Type)) {
		return nil
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return ignoreVanished(err)
	}
	slices.Sort(names)
	for _, base := range names {
		if err := p.add(fd, base, path.Join(name, base)); err != nil {
			return fmt.Errorf("%s: %w", base, err)
		}
	}
	return nil
}

// kernelFilesystems hold no files that anybody has put there.
var kernelFilesystems = []int64{
	unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC,
	unix.DEVPTS_SUPER_MAGIC, 0x19800202, // mqueue
}

// entry writes one entry and reports whether it is a directory's. What has vanished
// is left out.
func (p *Packer) entry(dirfd int, base, name string) (isDir bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dirfd, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, ignoreVanished(err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		return false, p.file(dirfd, base, name)
	}
	hdr := headerOf(name, &st)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if name == "" {
			return true, nil
		}
		hdr.Typeflag, hdr.Name, isDir = tar.TypeDir, name+"/", true
	case unix.S_IFLNK:
		target := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(dirfd, base, target)
		if err != nil {
			return false, ignoreVanished(err)
		}
		hdr.Typeflag, hdr.Linkname = tar.TypeSymlink, string(target[:n])
	case unix.S_IFIFO:
		hdr.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		hdr.Typeflag = tar.TypeChar
		if st.Mode&unix.S_IFMT == unix.S_IFBLK {
			hdr.Typeflag = tar.TypeBlock
		}
		hdr.Devmajor, hdr.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	default:
		return false, nil
	}
	if err := addXattrs(hdr, procPath(dirfd, base)); err != nil {
		return false, ignoreVanished(err)
	}
	return isDir, p.tar.WriteHeader(hdr)
}

// file writes a regular file. What is told of it is read from the file itself, once
// it is open.
func (p *Packer) file(dirfd int, base, name string) error {
	fd, err := unix.Openat(dirfd, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return ignoreVanished(err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil // something else by now
	}
	hdr := headerOf(name, &st)
	hdr.Typeflag = tar.TypeReg
	id := fileID{st.Dev, st.Ino}
	if first, ok := p.links[id]; ok {
		hdr.Typeflag, hdr.Linkname = tar.TypeLink, first
		return p.tar.WriteHeader(hdr)
	}
	if st.Nlink > 1 {
		p.links[id] = name
	}
	hdr.Size = st.Size
	if err := addXattrs(hdr, procFD(fd)); err != nil {
		return err
	}
	if err := p.tar.WriteHeader(hdr); err != nil {
		return err
	}
	p.Content += st.Size
	n, err := io.Copy(p.tar, io.LimitReader(f, st.Size))
	if err == nil && n < st.Size {
		// It was cut meanwhile. GNU tar fills up with zeros, too.
		_, err = io.CopyN(p.tar, zeros{}, st.Size-n)
	}
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func headerOf(name string, st *unix.Stat_t) *tar.Header {
	return &tar.Header{
		Format: tar.FormatPAX, Name: name,
		Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid),
		ModTime: time.Unix(st.Mtim.Unix()),
	}
}

// addXattrs adds the extended attributes of a path, whose last link is followed only
// where it is a descriptor's.
func addXattrs(hdr *tar.Header, path string) error {
	list, get := unix.Llistxattr, unix.Lgetxattr
	if hdr.Typeflag == tar.TypeReg {
		list, get = unix.Listxattr, unix.Getxattr
	}
	names, err := grow(func(buf []byte) (int, error) { return list(path, buf) })
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list extended attributes: %w", err)
	}
	for field := range bytes.SplitSeq(names, []byte{0}) {
		name := string(field)
		if name == "" || name == "security.selinux" || strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.") {
			continue
		}
		value, err := grow(func(buf []byte) (int, error) { return get(path, name, buf) })
		if errors.Is(err, unix.ENODATA) {
			continue // it was taken away meanwhile
		}
		if err != nil {
			return fmt.Errorf("extended attribute %s: %w", name, err)
		}
		if hdr.PAXRecords == nil {
			hdr.PAXRecords = map[string]string{}
		}
		hdr.PAXRecords[xattrRecord+name] = string(value)
	}
	return nil
}

// PackChanges writes what the uppermost directory of the stack changes in those
// below it as the tar of a layer, with whiteouts. What hidden says is left out with
// all below.
func (s Stack) PackChanges(w io.Writer, hidden func(path string) bool) error {
	changes, err := s.compare(comparison{hidden: hidden, copied: true})
	if err != nil {
		return err
	}
	upper, err := unix.Open(s[0], unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", s[0], err)
	}
	defer unix.Close(upper)
	p := NewPacker(w)
	for _, c := range changes {
		if err := p.change(upper, c); err != nil {
			return fmt.Errorf("pack %s: %w", c.Path, err)
		}
	}
	return p.Close()
}

func (p *Packer) change(upper int, c Change) error {
	parent, base := path.Split(strings.TrimPrefix(c.Path, "/"))
	if c.Kind == Deleted {
		return p.tar.WriteHeader(&tar.Header{Format: tar.FormatPAX, Typeflag: tar.TypeReg, Name: parent + whiteoutPrefix + base, ModTime: time.Unix(0, 0)})
	}
	fd, err := Openat2(upper, "./"+parent, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		return ignoreVanished(err)
	}
	defer unix.Close(fd)
	_, err = p.entry(fd, base, parent+base)
	return err
}
