package layers_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gocker/container/step"
	"gocker/layers"

	"golang.org/x/sys/unix"
)

// stacks are layers and what a container sees of them.
var stacks = []struct {
	name   string
	layers []string // bottom to top
	want   string
}{
	{
		name:   "a file changed",
		layers: []string{"file f old\nfile g old", "file f new"},
		want:   "file f new\nfile g old",
	},
	{
		name:   "a file changed twice",
		layers: []string{"file f 1", "file f 2", "file f 3"},
		want:   "file f 3",
	},
	{
		name:   "a file deleted",
		layers: []string{"file d/f\nfile d/g\nfile h", "file d/.wh.f\nfile .wh.h"},
		want:   "dir d\nfile d/g",
	},
	{
		name:   "a file deleted and made again",
		layers: []string{"file f 1", "file .wh.f", "file f 3"},
		want:   "file f 3",
	},
	{
		name:   "a directory made opaque",
		layers: []string{"file d/old\nfile d/sub/old", "file d/.wh..wh..opq\nfile d/new\nfile d/sub/new"},
		want:   "dir d\nfile d/new\ndir d/sub\nfile d/sub/new",
	},
	{
		name:   "an opaque directory that a third layer adds to",
		layers: []string{"file d/a", "file d/.wh..wh..opq\nfile d/b", "file d/c"},
		want:   "dir d\nfile d/b\nfile d/c",
	},
	{
		name:   "a directory deleted and made again in one layer",
		layers: []string{"file d/old", "file d/new\nfile .wh.d"},
		want:   "dir d\nfile d/new",
	},
	{
		name:   "a directory becomes a file and a directory again",
		layers: []string{"file d/old", "file d x", "dir d\nfile d/new"},
		want:   "dir d\nfile d/new",
	},
	{
		name:   "a directory becomes a link",
		layers: []string{"file lib/a\nfile usr/lib/b", "sym lib usr/lib"},
		want:   "sym lib usr/lib\ndir usr\ndir usr/lib\nfile usr/lib/b",
	},
	{
		name:   "everything deleted",
		layers: []string{"file d/a\nfile b\nfile c", "file .wh..wh..opq\nfile d/new\nfile c new"},
		want:   "file c new\ndir d\nfile d/new",
	},
	{
		name:   "whiteouts of nothing can't be seen",
		layers: []string{"file .wh.a\nfile b/.wh.c\nfile b/d", "file e/.wh.f\nfile b/.wh.g\nfile e/h"},
		want:   "dir b\nfile b/d\ndir e\nfile e/h",
	},
	{
		name:   "a directory keeps its metadata when a layer adds to it",
		layers: []string{"dir ./ mode=0711\ndir tmp mode=1777 uid=1", "file tmp/x", "file tmp/y\ndir z"},
		want:   "dir . mode=0711\ndir tmp mode=1777 uid=1\nfile tmp/x\nfile tmp/y\ndir z",
	},
}

func TestTheUpperLayerHidesTheLowerOne(t *testing.T) {
	for _, test := range stacks {
		t.Run(test.name, func(t *testing.T) {
			s := openStore(t)
			lower := s.Stack(commit(t, s, test.layers...))
			got := ""
			mounted(t, lower, func(root string) (err error) {
				if got, err = readScript(root, false); err != nil {
					return err
				}
				return sameFiles(root, lower)
			})
			if want := script(test.want); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

// umoci unpacks all layers into one directory, by itself and without overlayfs.
func TestUmociUnpacksTheSame(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("umoci"); err != nil {
		t.Skipf("no umoci to compare with: %v", err)
	}
	for _, test := range stacks {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			run(t, "umoci", "init", "--layout", dir+"/oci")
			run(t, "umoci", "new", "--image", dir+"/oci:x")
			for _, l := range test.layers {
				if err := os.WriteFile(dir+"/layer.tar", tarOf(t, l), 0o600); err != nil {
					t.Fatal(err)
				}
				run(t, "umoci", "raw", "add-layer", "--image", dir+"/oci:x", dir+"/layer.tar")
			}
			run(t, "umoci", "raw", "unpack", "--image", dir+"/oci:x", dir+"/rootfs")
			if got, want := scriptOf(t, dir+"/rootfs", false), script(test.want); got != want {
				t.Errorf("umoci has\n%sthis package\n%s", got, want)
			}
		})
	}
}

// sameFiles compares what a Stack reads with what the kernel shows.
func sameFiles(root string, stack layers.Stack) error {
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		f, err := stack.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		got, err := io.ReadAll(f)
		if err != nil || string(got) != string(want) {
			return fmt.Errorf("%s: a Stack reads %q, %v, a mount %q", name, got, err, want)
		}
		return nil
	})
}

func TestAStackOf127LayersFitsOneMount(t *testing.T) {
	s := openStore(t)
	var scripts []string
	for i := range 127 {
		scripts = append(scripts, fmt.Sprintf("file f %d\nfile d/f%d", i, i))
	}
	lower := s.Stack(commit(t, s, scripts...))
	mounted(t, lower, func(root string) error {
		f, err := os.ReadFile(filepath.Join(root, "f"))
		if err != nil || string(f) != "126" {
			return fmt.Errorf("the uppermost file: %q, %v", f, err)
		}
		entries, err := os.ReadDir(filepath.Join(root, "d"))
		if err != nil || len(entries) != 127 {
			return fmt.Errorf("%d entries of 127, %v", len(entries), err)
		}
		return nil
	})
	// A container's paths are longer than a test's.
	dir := "/var/lib/gocker/containers/" + strings.Repeat("0", 64)
	o := layers.Overlay{Lower: lower, Upper: dir + "/upper", Work: dir + "/work", Target: dir + "/root", Volatile: true}
	if err := o.Check(); err != nil {
		t.Error(err)
	}
	o.Lower = slices.Repeat(lower, 2)
	if err := o.Check(); err == nil {
		t.Error("254 layers: mount(2) would cut the options")
	}
	if err := (layers.Overlay{}).Check(); err == nil {
		t.Error("no layer: want an error")
	}
}

func TestTheMountIsPrintedWithTheUppermostLayerFirst(t *testing.T) {
	for _, test := range []struct {
		name string
		o    layers.Overlay
		want []string
	}{
		{
			"layers of the store",
			layers.Overlay{Lower: layers.Stack{"/r/layers/cc", "/r/layers/bb", "/r/layers/aa"}, Upper: "/c/upper", Work: "/c/work", Target: "/c/root"},
			[]string{
				"cd /r/layers",
				"mount -t overlay -o lowerdir=cc:bb:aa,upperdir=/c/upper,workdir=/c/work,index=off,redirect_dir=off,metacopy=off overlay /c/root",
			},
		},
		{
			"a plain directory, volatile",
			layers.Overlay{Lower: layers.Stack{"/srv/root"}, Upper: "/c/upper", Work: "/c/work", Target: "/c/root", Volatile: true},
			[]string{"mount -t overlay -o lowerdir=/srv/root,upperdir=/c/upper,workdir=/c/work,index=off,redirect_dir=off,metacopy=off,volatile overlay /c/root"},
		},
		{
			"directories of different places",
			layers.Overlay{Lower: layers.Stack{"/b/x", "/a/x"}, Upper: "/c/upper", Work: "/c/work", Target: "/c/root"},
			[]string{"mount -t overlay -o lowerdir=/b/x:/a/x,upperdir=/c/upper,workdir=/c/work,index=off,redirect_dir=off,metacopy=off overlay /c/root"},
		},
		{
			"nothing to write to",
			layers.Overlay{Lower: layers.Stack{"/r/layers/bb", "/r/layers/aa"}, Target: "/view"},
			[]string{
				"cd /r/layers",
				"mount -t overlay -o lowerdir=bb:aa,index=off,redirect_dir=off,metacopy=off overlay /view",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, st := range test.o.Steps() {
				got = append(got, st.Shell())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestAPathMayHoldWhatOverlayfsSplitsAt(t *testing.T) {
	needRoot(t)
	lower := filepath.Join(t.TempDir(), `a,b:c\d e`)
	if err := os.MkdirAll(filepath.Join(lower, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	mountedAt(t, `u:p,p\er`, layers.Stack{lower}, func(root string) error {
		_, err := os.Stat(filepath.Join(root, "below"))
		return err
	})
}

func TestAnUpperDirectoryHasTheMetadataOfTheRootBelow(t *testing.T) {
	s := openStore(t)
	lower := s.Stack(commit(t, s, "dir . mode=0711 uid=5 gid=6 mtime=7.8 xattr:trusted.x=y"))
	upper := filepath.Join(t.TempDir(), "upper")
	if err := lower.MakeUpper(upper); err != nil {
		t.Fatal(err)
	}
	want := "dir . mode=0711 uid=5 gid=6 mtime=7.800000000 xattr:trusted.x=y\n"
	if got := scriptOf(t, upper, true); got != want {
		t.Errorf("got %swant %s", got, want)
	}
	if err := lower.MakeUpper(upper); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: got %v", err)
	}
	if _, err := os.Stat(upper); err != nil {
		t.Errorf("the first one is gone: %v", err)
	}
}

// mounted calls look with the root of a container over lower, in a goroutine
// that must not end the test itself.
func mounted(t *testing.T, lower layers.Stack, look func(root string) error) {
	t.Helper()
	mountedAt(t, "c", lower, look)
}

// mountedAt mounts in a mount namespace of its own, which ends with look. The
// upper directory is on a tmpfs, since overlayfs takes none on an overlay.
func mountedAt(t *testing.T, name string, lower layers.Stack, look func(root string) error) {
	t.Helper()
	dir := t.TempDir()
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine, the namespace with it.
		runtime.LockOSThread()
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
				return fmt.Errorf("unshare: %w", err)
			}
			c := filepath.Join(dir, name)
			o := layers.Overlay{
				Lower: lower, Upper: filepath.Join(c, "upper"), Work: filepath.Join(c, "work"),
				Target: filepath.Join(c, "root"), Volatile: true,
			}
			plan := step.Plan{{Steps: []step.Step{
				step.Mount{Target: "/", Flags: unix.MS_REC | unix.MS_PRIVATE},
				step.Mount{Source: "tmpfs", Target: dir, Type: "tmpfs"},
			}}}
			if err := plan.Do(); err != nil {
				return err
			}
			for _, d := range []string{c, o.Work, o.Target} {
				if err := os.Mkdir(d, 0o700); err != nil {
					return err
				}
			}
			if err := errors.Join(lower.MakeUpper(o.Upper), o.Check()); err != nil {
				return err
			}
			if err := (step.Plan{{Steps: o.Steps()}}).Do(); err != nil {
				return err
			}
			if err := look(o.Target); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(o.Target, "written"), nil, 0o644)
		}()
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
