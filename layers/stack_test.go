package layers_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gocker/layers"

	"golang.org/x/sys/unix"
)

func TestAStackReadsWhatAContainerWouldSee(t *testing.T) {
	s := openStore(t)
	stack := s.Stack(commit(t, s, `
		file etc/passwd old
		file etc/group below
		file etc/gone x
		file d/old x
		file srv/real/f real
		sym run/abs /srv/real
		sym run/up ../../../../srv/real/f
		sym run/host /canary
		sym run/loop loop
		sym run/dangling nothing
		sym run/dir/updir ..
		sym run/etc ../etc
		fifo run/pipe
		char run/null 1 3
		dir file-below
	`, `
		file etc/passwd new
		file etc/.wh.gone
		file d/.wh..wh..opq
		file d/new x
		sym run/late /etc/../etc/passwd
		file file-below now
	`))
	for _, test := range []struct {
		name, want string
		err        error
	}{
		{"etc/passwd", "new", nil},
		{"/etc/passwd", "new", nil},
		{"/../etc/./passwd", "new", nil},
		{"etc/group", "below", nil},
		{"etc/gone", "", fs.ErrNotExist},
		{"etc/never", "", fs.ErrNotExist},
		{"d/new", "x", nil},
		{"d/old", "", fs.ErrNotExist},
		{"run/abs/f", "real", nil},
		{"run/up", "real", nil},
		{"run/late", "new", nil},
		{"run/etc/passwd", "new", nil},
		{"run/dir/updir/up", "real", nil},
		{"run/abs/../../etc/group", "below", nil},
		{"run/host", "", fs.ErrNotExist},
		{"run/dangling", "", fs.ErrNotExist},
		{"run/loop", "", unix.ELOOP},
		{"file-below", "now", nil},
		{"etc", "", unix.EISDIR},
		{"/", "", unix.EISDIR},
		{"", "", unix.EISDIR},
		{"run/etc", "", unix.EISDIR},
		{"run/abs/..", "", unix.EISDIR},
		{"etc/passwd/x", "", unix.ENOTDIR},
		{"run/pipe", "", layers.ErrNotRegular},
		{"run/null", "", layers.ErrNotRegular},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, err := stack.Open(test.name)
			if !errors.Is(err, test.err) {
				t.Fatalf("got error %v, want %v", err, test.err)
			}
			if err != nil {
				return
			}
			defer f.Close()
			if got, err := io.ReadAll(f); err != nil || string(got) != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestAHostileUpperDirectoryLeadsAStackNowhere(t *testing.T) {
	s := openStore(t)
	lower := s.Stack(commit(t, s, "file etc/passwd image"))
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		make func(etc string) error
	}{
		{"an absolute link", func(etc string) error { return os.Symlink(secret, etc+"/passwd") }},
		{"a relative link", func(etc string) error {
			return os.Symlink(strings.Repeat("../", 20)+secret, etc+"/passwd")
		}},
		{"a fifo", func(etc string) error { return unix.Mkfifo(etc+"/passwd", 0o644) }},
		{"a directory", func(etc string) error { return os.Mkdir(etc+"/passwd", 0o755) }},
		{"a link for its directory", func(etc string) error {
			return errors.Join(os.Remove(etc), os.Symlink(filepath.Dir(secret), etc), os.Symlink(secret, filepath.Join(filepath.Dir(secret), "passwd")))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			upper := t.TempDir()
			if err := os.Mkdir(filepath.Join(upper, "etc"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := test.make(filepath.Join(upper, "etc")); err != nil {
				t.Fatal(err)
			}
			f, err := append(layers.Stack{upper}, lower...).Open("etc/passwd")
			if err == nil {
				got, _ := io.ReadAll(f)
				t.Errorf("read %q", got)
				f.Close()
			}
		})
	}
}

func TestAStackLeavesNoDescriptorOpen(t *testing.T) {
	s := openStore(t)
	stack := s.Stack(commit(t, s, "file a/b/c x\nsym a/l ../a/b/c\nsym loop loop", "file a/b/d x\nfile a/.wh.x"))
	before := descriptors(t)
	for _, name := range []string{"a/b/c", "a/l", "loop", "a/b", "a/b/c/d", "none", "a/none/x"} {
		if f, err := stack.Open(name); err == nil {
			f.Close()
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, then %d", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
