package layers_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gocker/layers"

	"golang.org/x/sys/unix"
)

// The tests write tars and the directories that come of them in one language,
// an entry a line:
//
//	dir NAME | file NAME [TEXT] | sym NAME TARGET | link NAME TARGET
//	fifo NAME | char NAME MAJOR MINOR | block NAME MAJOR MINOR
//	whiteout NAME (in a directory only)
//
// followed by what differs from the usual: mode=0755 uid=1 gid=1
// mtime=SECONDS.FRACTION xattr:NAME=VALUE nlink=2 opaque. A name with odd bytes
// is a quoted Go string; \e is an empty name.

// usualTime is the modification time of an entry that says nothing.
const usualTime = 1_000_000_000

// tarOf writes the tar that a script describes.
func tarOf(t testing.TB, script string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for line := range strings.Lines(script) {
		hdr, body := header(t, line)
		if hdr == nil {
			continue
		}
		if err := w.WriteHeader(hdr); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func header(t testing.TB, line string) (hdr *tar.Header, body string) {
	t.Helper()
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil, ""
	}
	hdr = &tar.Header{Format: tar.FormatPAX, Mode: 0o644, ModTime: time.Unix(usualTime, 0), PAXRecords: map[string]string{}}
	var args []string
	for _, w := range words[1:] {
		key, value, ok := strings.Cut(w, "=")
		switch {
		case !ok || strings.HasPrefix(w, `"`):
			if strings.HasPrefix(w, `"`) {
				var err error
				if w, err = strconv.Unquote(w); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
			}
			args = append(args, strings.ReplaceAll(w, `\e`, ""))
		case key == "mode":
			hdr.Mode = number(t, value, 8)
		case key == "uid":
			hdr.Uid = int(number(t, value, 10))
		case key == "gid":
			hdr.Gid = int(number(t, value, 10))
		case key == "mtime":
			s, ns, _ := strings.Cut(value, ".")
			hdr.ModTime = time.Unix(number(t, s, 10), number(t, (ns + "000000000")[:9], 10))
		case strings.HasPrefix(key, "xattr:"):
			hdr.PAXRecords["SCHILY."+strings.Replace(key, ":", ".", 1)] = value
		default:
			t.Fatalf("%s: what is %s?", line, key)
		}
	}
	args = append(args, "", "")
	hdr.Name = args[0]
	switch words[0] {
	case "dir":
		hdr.Typeflag = tar.TypeDir
		if hdr.Mode == 0o644 {
			hdr.Mode = 0o755
		}
	case "file":
		hdr.Typeflag, body = tar.TypeReg, args[1]
		hdr.Size = int64(len(body))
	case "sym":
		hdr.Typeflag, hdr.Linkname = tar.TypeSymlink, args[1]
	case "link":
		hdr.Typeflag, hdr.Linkname = tar.TypeLink, args[1]
	case "fifo":
		hdr.Typeflag = tar.TypeFifo
	case "char", "block":
		hdr.Typeflag = tar.TypeChar
		if words[0] == "block" {
			hdr.Typeflag = tar.TypeBlock
		}
		hdr.Devmajor, hdr.Devminor = number(t, args[1], 10), number(t, args[2], 10)
	default:
		t.Fatalf("what is %s?", words[0])
	}
	return hdr, body
}

func number(t testing.TB, s string, base int) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, base, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// scriptOf describes what is below a directory, sorted by path. Without times,
// those are left out.
func scriptOf(t testing.TB, root string, times bool) string {
	t.Helper()
	sc, err := readScript(root, times)
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

func readScript(root string, times bool) (string, error) {
	var lines []string
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		line, err := describe(path, name, times)
		if line != "dir ." {
			lines = append(lines, line+"\n")
		}
		return err
	})
	return strings.Join(lines, ""), err
}

func describe(path, name string, times bool) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	var line string
	usual := uint32(0o644)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		line, usual = "dir "+name, 0o755
	case unix.S_IFREG:
		data, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if len(data) > 100 {
			data = fmt.Appendf(nil, "%d:%x", len(data), sha256.Sum256(data))
		}
		line = strings.TrimSuffix("file "+name+" "+string(data), " ")
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		line, usual = "sym "+name+" "+target, 0o777
	case unix.S_IFIFO:
		line = "fifo " + name
	case unix.S_IFCHR, unix.S_IFBLK:
		what := "char"
		if st.Mode&unix.S_IFMT == unix.S_IFBLK {
			what = "block"
		}
		if st.Rdev == 0 {
			return "whiteout " + name, nil
		}
		line = fmt.Sprintf("%s %s %d %d", what, name, unix.Major(st.Rdev), unix.Minor(st.Rdev))
	default:
		line = fmt.Sprintf("type %o %s", st.Mode, name)
	}
	if st.Mode&0o7777 != usual {
		line += fmt.Sprintf(" mode=%04o", st.Mode&0o7777)
	}
	if st.Uid != 0 {
		line += fmt.Sprintf(" uid=%d", st.Uid)
	}
	if st.Gid != 0 {
		line += fmt.Sprintf(" gid=%d", st.Gid)
	}
	if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		line += fmt.Sprintf(" nlink=%d", st.Nlink)
	}
	if times {
		line += fmt.Sprintf(" mtime=%d.%09d", st.Mtim.Sec, st.Mtim.Nsec)
	}
	xattrs, err := xattrsOf(path)
	return line + xattrs, err
}

func xattrsOf(path string) (string, error) {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	names := strings.FieldsFunc(string(buf[:n]), func(r rune) bool { return r == 0 })
	slices.Sort(names)
	var s string
	for _, name := range names {
		n, err := unix.Lgetxattr(path, name, buf)
		if err != nil {
			return "", fmt.Errorf("%s: %s: %w", path, name, err)
		}
		if name == "trusted.overlay.opaque" && string(buf[:n]) == "y" {
			s += " opaque"
			continue
		}
		s += fmt.Sprintf(" xattr:%s=%s", name, buf[:n])
	}
	return s, nil
}

// script removes the indentation of a script in a test.
func script(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// chainID is a well-formed chain ID for layer n of a test.
func chainID(n int) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(strconv.Itoa(n))))
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("unpacking and mounting layers requires root")
	}
}

func openStore(t testing.TB) *layers.Store {
	t.Helper()
	needRoot(t)
	s, err := layers.Open(filepath.Join(t.TempDir(), "root"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// commit puts layers into the store, described bottom to top, and returns their
// chain IDs in the same order.
func commit(t testing.TB, s *layers.Store, scripts ...string) []string {
	t.Helper()
	var ids []string
	for i, sc := range scripts {
		staged, err := s.Stage(context.Background(), bytes.NewReader(tarOf(t, sc)))
		if err != nil {
			t.Fatal(err)
		}
		if err := staged.Commit(chainID(i), ids); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, chainID(i))
	}
	return ids
}

// isEmpty fails the test when anything is in a directory.
func isEmpty(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("left behind: %s", filepath.Join(dir, e.Name()))
	}
}
