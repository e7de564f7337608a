package layers_test

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestATarBecomesADirectoryInOverlaysFormat(t *testing.T) {
	for _, test := range []struct {
		name  string
		below string // the layer below, if any
		tar   string
		want  string
	}{
		{
			name: "every type of entry",
			tar: `
				dir d mode=1777 uid=1 gid=2
				file d/f text mode=4755 uid=3 gid=4
				file d/empty
				sym d/abs /etc/passwd
				sym d/rel ../../x uid=5 gid=6
				link d/hard d/f
				fifo d/pipe mode=0600
				char d/null 1 3 mode=0666
				block d/disk 259 70000 gid=6 mode=0660`,
			want: `
				dir d mode=1777 uid=1 gid=2
				sym d/abs /etc/passwd
				block d/disk 259 70000 mode=0660 gid=6
				file d/empty
				file d/f text mode=4755 uid=3 gid=4 nlink=2
				file d/hard text mode=4755 uid=3 gid=4 nlink=2
				char d/null 1 3 mode=0666
				fifo d/pipe mode=0600
				sym d/rel ../../x uid=5 gid=6`,
		},
		{
			name: "names are relative to the root, however written",
			tar:  "file ./a 1\nfile /b 2\nfile //c/./d/../e 3\ndir ./f/",
			want: "file a 1\nfile b 2\ndir c\nfile c/e 3\ndir f",
		},
		{
			name: "the root has metadata of its own",
			tar:  "dir ./ mode=0711 uid=7\nfile a",
			want: "dir . mode=0711 uid=7\nfile a",
		},
		{
			name: "an empty name is the root",
			tar:  `dir \e mode=0700`,
			want: "dir . mode=0700",
		},
		{
			name: "set-ID bits outlive the change of owner, in set-group-ID directories too",
			tar:  "dir d mode=2775 gid=50\nfile d/f x mode=6711 uid=8 gid=9\nfile d/root x\ndir d/sub",
			want: "dir d mode=2775 gid=50\nfile d/f x mode=6711 uid=8 gid=9\nfile d/root x\ndir d/sub",
		},
		{
			name: "extended attributes are kept",
			tar: `
				file cap x uid=1 xattr:security.capability=` + netBind + `
				file user x xattr:user.a=1 xattr:trusted.b=2
				dir d xattr:user.c=3
				sym s t xattr:trusted.d=4
				file label x xattr:security.selinux=system_u:object_r:etc_t:s0`,
			want: `
				file cap x uid=1 xattr:security.capability=` + netBind + `
				dir d xattr:user.c=3
				file label x
				sym s t xattr:trusted.d=4
				file user x xattr:trusted.b=2 xattr:user.a=1`,
		},
		{
			name: "a later entry replaces an earlier one",
			tar: `
				file a 1
				file a 2
				dir b
				file b/c/d 3
				file b 4
				sym e b
				file e 5
				file f 6
				link g f
				file f 7
				link f f`,
			want: "file a 2\nfile b 4\nfile e 5\nfile f 7\nfile g 6",
		},
		{
			name: "a directory that replaces a file is opaque",
			tar:  "file a\ndir a\nfile a/b",
			want: "dir a opaque\nfile a/b",
		},
		{
			name: "a directory that comes twice keeps its contents and gets the last metadata",
			tar:  "dir d mode=0700\nfile d/f\ndir d mode=0750",
			want: "dir d mode=0750\nfile d/f",
		},
		{
			name: "paths go through the tar's own links, with / and .. at its root",
			tar: `
				dir real
				sym abs /real
				sym up ../../../../real
				sym chain abs
				sym deep/abs /real
				sym deep/up ../real
				file deep/abs/5
				file deep/up/6
				file abs/1
				file up/2
				file chain/3
				link hard abs/1
				sym dangling /new/dir
				file dangling/4`,
			want: `
				sym abs /real
				sym chain abs
				sym dangling /new/dir
				dir deep
				sym deep/abs /real
				sym deep/up ../real
				file hard nlink=2
				dir new
				dir new/dir
				file new/dir/4
				dir real
				file real/1 nlink=2
				file real/2
				file real/3
				file real/5
				file real/6
				sym up ../../../../real`,
		},
		{
			name:  "a whiteout is a character device 0/0",
			below: "file a/b\nfile c",
			tar:   "file a/.wh.b\nfile .wh.c",
			want:  "dir a\nwhiteout a/b\nwhiteout c",
		},
		{
			name:  "a whiteout may be of any type",
			below: "file a\nfile b",
			tar:   "sym .wh.a x\ndir .wh.b",
			want:  "whiteout a\nwhiteout b",
		},
		{
			name:  "a whiteout never hides what its own tar has, whatever comes first",
			below: "file a old\nfile b old\nfile c/old\ndir d mode=0700\nfile d/old\nfile e/old\nfile f/old",
			tar: `
				file .wh.a
				file a new
				file b new
				file .wh.b
				file .wh.c
				dir c
				file c/new
				file d/new
				file .wh.d
				file .wh.e
				file e/new
				file f
				file .wh.f
				dir f`,
			want: `
				file a new
				file b new
				dir c opaque
				file c/new
				dir d opaque
				file d/new
				dir e opaque
				file e/new
				dir f opaque`,
		},
		{
			name:  "an opaque directory keeps its own entries, whatever comes first",
			below: "file a/old\nfile b/old",
			tar:   "file a/.wh..wh..opq\nfile a/new\nfile b/new\nfile b/.wh..wh..opq",
			want:  "dir a opaque\nfile a/new\ndir b opaque\nfile b/new",
		},
		{
			name:  "an opaque root hides name by name, as overlayfs ignores its attribute",
			below: "dir d mode=0700\nfile d/old\nfile f old\nfile gone",
			tar:   "file .wh..wh..opq\nfile d/new\nfile f new\nfile g/h",
			want:  "dir d opaque\nfile d/new\nfile f new\ndir g\nfile g/h\nwhiteout gone",
		},
		{
			name:  "a whiteout that hides nothing is left out, as readdir would show it",
			below: "dir there",
			tar:   "file .wh.nothing\nfile there/.wh.nothing\nfile new/.wh.x\nfile there/.wh..wh..opq",
			want:  "dir new\ndir there opaque",
		},
		{
			name:  "a whiteout whose directory was replaced is gone with it",
			below: "file a/b\nfile c/d",
			tar:   "file a/.wh.b\nfile a\nfile c/.wh.d\nsym c elsewhere",
			want:  "file a\nsym c elsewhere",
		},
		{
			name:  "what aufs kept for itself is ignored",
			below: "file plnk",
			tar:   "dir .wh..wh.plnk\nfile .wh..wh.plnk/1.2\nfile .wh..wh.aufs\nfile a/.wh..wh.orph",
			want:  "",
		},
		{
			name:  "a directory that the tar does not mention is as below",
			below: "dir ./ mode=0711 uid=3\ndir a mode=1770 uid=1 gid=2 xattr:user.x=y\ndir a/b mode=0700 uid=9",
			tar:   "file a/b/c\nfile new/d",
			want: `
				dir . mode=0711 uid=3
				dir a mode=1770 uid=1 gid=2 xattr:user.x=y
				dir a/b mode=0700 uid=9
				file a/b/c
				dir new
				file new/d`,
		},
		{
			name:  "a directory that the tar mentions late is as the tar says",
			below: "dir a mode=0700 uid=1",
			tar:   "file a/b\ndir a mode=0750 uid=2",
			want:  "dir a mode=0750 uid=2\nfile a/b",
		},
		{
			name:  "a root that the tar mentions is as the tar says",
			below: "dir . mode=0711 uid=1",
			tar:   "dir . mode=0700 uid=2",
			want:  "dir . mode=0700 uid=2",
		},
		{
			name:  "nothing comes from below through a whiteout or an opaque directory",
			below: "dir a mode=0700\ndir a/b mode=0700\ndir c mode=0700\ndir c/d mode=0700",
			tar:   "file a/.wh..wh..opq\nfile a/b/x\nfile .wh.c\nfile c/d/x",
			want:  "dir a mode=0700 opaque\ndir a/b\nfile a/b/x\ndir c opaque\ndir c/d\nfile c/d/x",
		},
		{
			name:  "a link below is not seen, and is hidden",
			below: "dir usr/bin\nsym bin usr/bin",
			tar:   "file bin/sh",
			want:  "dir bin\nfile bin/sh",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := openStore(t)
			var scripts []string
			if test.below != "" {
				scripts = append(scripts, test.below)
			}
			ids := commit(t, s, append(scripts, test.tar)...)
			if got, want := scriptOf(t, s.Path(ids[len(ids)-1]), false), script(test.want); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			isEmpty(t, s.Tmp)
		})
	}
}

// netBind is cap_net_bind_service=ep in the kernel's form (capability.h, VFS_CAP_REVISION_2).
const netBind = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func TestTimesAreKeptToTheNanosecond(t *testing.T) {
	s := openStore(t)
	ids := commit(t, s, `
		dir ./ mtime=1.000000001
		dir d mtime=2.123456789
		dir d/e mtime=-3.5
		file d/e/f x mtime=4.000000004
		sym d/e/s t mtime=5.5
		fifo d/p mtime=6.6
		link d/hard d/e/f
		file late/file mtime=7.7
		dir late mtime=8.8
		file d/e/g x mtime=9.9
	`, `
		file d/e/new mtime=10.1
		file d/e/.wh.nothing
	`)
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(s.Path(ids[0]), "late/file"), &st); err != nil || st.Atim != st.Mtim {
		t.Errorf("accessed %v, modified %v, %v", st.Atim, st.Mtim, err)
	}
	want := script(`
		dir . mtime=1.000000001
		dir d mtime=2.123456789
		dir d/e mtime=-3.500000000
		file d/e/f x nlink=2 mtime=4.000000004
		file d/e/g x mtime=9.900000000
		sym d/e/s t mtime=5.500000000
		file d/hard x nlink=2 mtime=4.000000004
		fifo d/p mtime=6.600000000
		dir late mtime=8.800000000
		file late/file mtime=7.700000000
	`)
	if got := scriptOf(t, s.Path(ids[0]), true); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	want = script(`
		dir . mtime=1.000000001
		dir d mtime=2.123456789
		dir d/e mtime=-3.500000000
		file d/e/new mtime=10.100000000
	`)
	if got := scriptOf(t, s.Path(ids[1]), true); got != want {
		t.Errorf("directories that the tar does not mention: got\n%swant\n%s", got, want)
	}
}

func TestTheUmaskDoesNotMatter(t *testing.T) {
	s := openStore(t)
	defer unix.Umask(unix.Umask(0o77))
	ids := commit(t, s, "dir d mode=0777\nfile d/f mode=0666\nfile implied/f\nfifo p mode=0666")
	want := script("dir d mode=0777\nfile d/f mode=0666\ndir implied\nfile implied/f\nfifo p mode=0666")
	if got := scriptOf(t, s.Path(ids[0]), false); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAHostileTarIsRefused(t *testing.T) {
	long := strings.Repeat("x", 256)
	for _, test := range []struct{ name, tar, err string }{
		{"a name that climbs out", "file ../canary/f", "leads out of the layer"},
		{"a name that climbs out later", "file a/../../canary/f", "leads out of the layer"},
		{"an absolute name that climbs out", "file /../f", "leads out of the layer"},
		{"a file as the root", "file .", "root is not a directory"},
		{"a file without a name", `file \e`, "root is not a directory"},
		{"a link as the root", "sym . /etc", "root is not a directory"},
		{"a name that is too long", "file " + long, "file name too long"},
		{"a whiteout of ..", "file .wh...", `a whiteout of ".."`},
		{"a whiteout of .", "file d/.wh..", `a whiteout of "."`},
		{"a whiteout of nothing", "file .wh.", `a whiteout of ""`},
		{"a file in a whiteout", "file .wh.a/b", "has nothing in it"},
		{"a hard link to the host", "link a /etc/passwd", "not in this layer"},
		{"a hard link that climbs out", "link a ../canary/f", "leads out of the layer"},
		{"a hard link through a link to the host", "sym l CANARY\nlink a l/f", "not in this layer"},
		{"a hard link to a directory", "dir d\nlink a d", "it is a directory"},
		{"a hard link to the root", "link a .", "it is a directory"},
		{"a hard link to a whiteout", "file .wh.a\nlink b a", "not in this layer"},
		{"a hard link whose making removes its target", "file a/b\nlink a a/b", "no such file"},
		{"a file in a file", "file a\nfile a/b", "not a directory"},
		{"a file in a fifo", "fifo a\nfile a/b", "not a directory"},
		{"a loop of links", "sym a b\nsym b a\nfile a/f", "too many levels of symbolic links"},
		{"a redirect for overlayfs", "dir d xattr:trusted.overlay.redirect=/x", "order to overlayfs"},
		{"a whiteout by attribute", "file f xattr:user.overlay.whiteout=y", "order to overlayfs"},
		{"an opaque root by attribute", "dir . xattr:trusted.overlay.opaque=y", "order to overlayfs"},
		{"a whiteout by device number", "char a 0 0", "overlayfs's own whiteout"},
		{"a device number too large", "char a 4096 0", "out of range"},
		{"a symbolic link to nothing", `sym a \e`, "no such file"},
		{"capabilities that are none", "file a xattr:security.capability=x", "security.capability: invalid argument"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := openStore(t)
			host := newHost(t, s.Tmp)
			_, err := s.Stage(context.Background(), bytes.NewReader(tarOf(t, host.in(test.tar))))
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("got %v, want %q", err, test.err)
			}
			isEmpty(t, s.Tmp)
			host.check(t)
		})
	}
}

func TestAHostileTarStaysInside(t *testing.T) {
	for _, test := range []struct{ name, tar string }{
		{"a file through an absolute link", "sym l CANARY\nfile l/f pwned"},
		{"a file through a relative link", "sym l ../../../canary\nfile l/f pwned"},
		{"a file in place of a link", "sym f CANARY/f\nfile f pwned"},
		{"a directory in place of a link", "sym d CANARY\ndir d mode=0777 uid=1\nfile d/f pwned"},
		{"a file in a directory behind a link", "sym l CANARY/..\nfile l/canary/f pwned\nfile l/canary/g pwned"},
		{"a file in a directory behind a relative link", "sym l ../..\nfile l/canary/f pwned"},
		{"a whiteout in a directory behind a link", "sym l CANARY/..\nfile l/canary/.wh.f\nfile l/canary/.wh.g"},
		{"a whiteout through a link", "sym l CANARY\nfile l/.wh.f"},
		{"a whiteout of a link", "sym l CANARY\nfile .wh.l"},
		{"an opaque marker through a link", "sym l CANARY\nfile l/.wh..wh..opq"},
		{"a hard link of a link to the host", "sym l CANARY/f\nlink m l\nfile m pwned mode=0777"},
		{"metadata for a link to the host", "sym l CANARY/f mode=0777 uid=1 xattr:trusted.x=y"},
		{"a directory moved under a cached parent", "dir a/b\nfile a/b/1\nsym x CANARY\nfile a\nsym a CANARY\nfile a/f pwned"},
		{"a fifo where a file is written next", "fifo p\nfile p pwned"},
		{"a link in the middle, replaced", "dir a/b\nsym a/b CANARY\nfile a/b/f pwned"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := openStore(t)
			host := newHost(t, s.Tmp)
			staged, err := s.Stage(context.Background(), bytes.NewReader(tarOf(t, host.in(test.tar))))
			if err != nil {
				t.Fatal(err)
			}
			host.check(t)
			if err := staged.Commit(chainID(0), nil); err != nil {
				t.Fatal(err)
			}
			host.check(t)
			isEmpty(t, s.Tmp)
		})
	}
}

// host stands for what a tar must not reach: a directory with a file beside the
// staging directories, where .. leads, and one elsewhere.
type host struct{ dir, before string }

func newHost(t *testing.T, tmp string) host {
	t.Helper()
	h := host{dir: filepath.Dir(tmp)}
	if err := os.Mkdir(filepath.Join(h.dir, "canary"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "canary", "f"), []byte("alive"), 0o644); err != nil {
		t.Fatal(err)
	}
	h.before = scriptOf(t, filepath.Join(h.dir, "canary"), true)
	return h
}

// in names the directory in a script.
func (h host) in(tar string) string {
	return strings.ReplaceAll(tar, "CANARY", filepath.Join(h.dir, "canary"))
}

func (h host) check(t *testing.T) {
	t.Helper()
	if now := scriptOf(t, filepath.Join(h.dir, "canary"), true); now != h.before {
		t.Errorf("HOST PATH WAS CHANGED: from\n%sto\n%s", h.before, now)
	}
	if entries, err := os.ReadDir(h.dir); err != nil || len(entries) != 3 {
		t.Errorf("HOST PATH WAS CHANGED: %v in %s, %v", entries, h.dir, err)
	}
}

func TestOddHeadersAreRefusedOrIgnored(t *testing.T) {
	for _, test := range []struct {
		name string
		hdr  tar.Header
		err  string // "" where it is taken
	}{
		{"a global header", tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": "x"}}, ""},
		{"a contiguous file", tar.Header{Typeflag: tar.TypeCont, Name: "f"}, ""},
		{"a volume label", tar.Header{Typeflag: 'V', Name: "v"}, `type 'V' has no place in a layer`},
		{"a multi-volume part", tar.Header{Typeflag: 'M', Name: "v"}, `type 'M' has no place in a layer`},
		{"the highest user ID", tar.Header{Name: "f", Uid: 1<<32 - 1, Format: tar.FormatPAX}, "user ID 4294967295 out of range"},
		{"a negative group ID", tar.Header{Name: "f", Gid: -1, Format: tar.FormatGNU}, "group ID -1 out of range"},
		{"the highest possible user ID", tar.Header{Name: "f", Uid: 1<<32 - 2, Format: tar.FormatPAX}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := openStore(t)
			if test.hdr.Typeflag != tar.TypeXGlobalHeader {
				test.hdr.ModTime = time.Unix(0, 0)
			}
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			if err := w.WriteHeader(&test.hdr); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			_, err := s.Stage(context.Background(), &b)
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("got %v, want %q", err, test.err)
			}
		})
	}
}
