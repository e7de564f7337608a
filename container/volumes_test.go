package container

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gocker/layers"

	"golang.org/x/sys/unix"
)

// Images and volumes are made by shell scripts and told by one, an entry a line:
// its type and mode, owner, number of links and time, and what is in it.
const tell = `find . -mindepth 1 | sort | while read -r f; do
	echo "${f#./} $(stat -c '%A %u:%g %h %Y' "$f")" "$(readlink "$f" || { [ -f "$f" ] && cat "$f"; })"
done | sed 's/ *$//'`

func TestANewVolumeHasWhatTheImageHasThere(t *testing.T) {
	needRoot(t)
	for _, c := range []struct {
		name         string
		lower, upper string // the image's layers
		before       string // done in the volume
		mount        Mount
		want         string // of the volume, and of its own directory before that
		err          string
	}{
		{
			name:  "contents, owners, modes and times",
			lower: "mkdir -p data/d; echo one >data/f; chown 5:6 data data/f; chmod 4755 data/f; chmod 2770 data; chmod 1777 data/d; touch -d @5 data/f data/d data",
			want:  "2770 5:6 5\nd drwxrwxrwt 0:0 2 5\nf -rwsr-xr-x 5:6 1 5 one",
		},
		{
			name: "links, fifos and devices", lower: `
				mkdir -p data/d; echo x >data/a; ln data/a data/d/b; ln -s /etc/passwd data/abs; ln -s nowhere data/broken
				mkfifo -m 600 data/p; mknod -m 640 data/c c 1 3; chown -h 7:8 data/abs; touch -h -d @5 data/* data/d/b data/d data`,
			want: "755 0:0 5\na -rw-r--r-- 0:0 2 5 x\nabs lrwxrwxrwx 7:8 1 5 /etc/passwd\nbroken lrwxrwxrwx 0:0 1 5 nowhere\n" +
				"c crw-r----- 0:0 1 5\nd drwxr-xr-x 0:0 2 5\nd/b -rw-r--r-- 0:0 2 5 x\np prw------- 0:0 1 5",
		},
		{
			name:  "what the upper layer has changed",
			lower: "mkdir -p data; echo old >data/f; echo gone >data/g; touch -d @5 data/*",
			upper: "mkdir -p data; echo changed >data/f; mknod data/g c 0 0; touch -d @6 data/f data",
			want:  "755 0:0 6\nf -rw-r--r-- 0:0 1 6 changed",
		},
		{
			name:  "a whiteout of the lowest layer is nothing",
			lower: "mkdir -p data; mknod data/g c 0 0; touch -d @5 data",
			want:  "755 0:0 5",
		},
		{
			name:  "behind links that stay in the image",
			lower: "mkdir -p etc real; echo in >real/f; touch -d @5 real/f real; ln -s /../../hop data; ln -s real hop",
			want:  "755 0:0 5\nf -rw-r--r-- 0:0 1 5 in",
		},
		{name: "nothing there", lower: "mkdir etc", want: "755 0:0 new"},
		{name: "a link to nothing", lower: "ln -s /nowhere data", want: "755 0:0 new"},
		{name: "a file on the way", lower: "echo >x; ln -s x/data data", err: "file exists /data"},
		{name: "a file there", lower: "echo >data", err: "cannot mount volume over existing file, file exists /data"},
		{
			name: "nocopy", lower: "mkdir -p data; echo x >data/f", mount: Mount{NoCopy: true},
			want: "755 0:0 new",
		},
		{
			name: "a volume that has something in it stays", lower: "mkdir -p data; echo x >data/f",
			before: "mkdir -m 700 _data; echo mine >_data/mine; touch -d @5 _data/mine _data",
			want:   "700 0:0 5\nmine -rw-r--r-- 0:0 1 5 mine",
		},
		{
			name: "an empty one is filled", lower: "mkdir -m 750 data; echo x >data/f; touch -d @5 data/f data",
			before: "mkdir -m 700 _data",
			want:   "750 0:0 new\nf -rw-r--r-- 0:0 1 5 x",
		},
		{
			name: "half a copy is made again", lower: "mkdir data; echo x >data/f; touch -d @5 data/f data",
			before: "mkdir -p copying/d; echo half >copying/f; echo half >copying/d/g",
			want:   "755 0:0 5\nf -rw-r--r-- 0:0 1 5 x",
		},
		{
			name: "a whole one is used", lower: "mkdir data; echo x >data/f",
			before: "mkdir copied; echo whole >copied/g; touch -d @5 copied/g copied",
			want:   "755 0:0 5\ng -rw-r--r-- 0:0 1 5 whole",
		},
		{
			name: "one that was being moved is moved", lower: "mkdir data; echo x >data/f",
			before: "mkdir -p copied/d _data/d; echo 1 >_data/a; echo 2 >copied/b; echo mine >_data/d/c; touch -d @5 copied/b _data/a _data/d/c _data/d copied",
			want:   "755 0:0 new\na -rw-r--r-- 0:0 1 5 1\nb -rw-r--r-- 0:0 1 5 2\nd drwxr-xr-x 0:0 2 5\nd/c -rw-r--r-- 0:0 1 5 mine",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, ctr := containerWithVolume(t, c.lower, c.upper, c.mount)
			dir := filepath.Dir(ctr.Mounts[0].Source)
			shell(t, s.Root, "mkdir -p -m 700 "+dir)
			shell(t, dir, c.before)
			err := ctr.makeVolumes()
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			own := shell(t, ctr.Mounts[0].Source, "stat -c '%a %u:%g %Y' .")
			if first, _, _ := strings.Cut(c.want, "\n"); strings.HasSuffix(first, " new") {
				own = own[:strings.LastIndex(own, " ")] + " new\n" // its time is now
			}
			if got := strings.TrimSpace(own + shell(t, ctr.Mounts[0].Source, tell)); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			onlyFile(t, ctr.Mounts[0].Source)
			if left, err := os.ReadFile("/proc/self/mountinfo"); err != nil || bytes.Contains(left, []byte(s.Root)) {
				t.Errorf("still mounted: %v", err)
			}
		})
	}
}

func TestAttributesAndHolesAreCopied(t *testing.T) {
	needRoot(t)
	_, c := containerWithVolume(t, "mkdir data; echo x >data/f; truncate -s 64M data/f; echo y >>data/f; truncate -s 65M data/f", "", Mount{})
	attributes := map[string]string{
		"trusted.gocker": "kept", "security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00" + strings.Repeat("\x00", 12),
	}
	image := filepath.Join(c.lowerStack()[1], "data", "f")
	for name, value := range attributes {
		if err := unix.Lsetxattr(image, name, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.makeVolumes(); err != nil {
		t.Fatal(err)
	}
	volume := filepath.Join(c.Mounts[0].Source, "f")
	for name, value := range attributes {
		buf := make([]byte, 100)
		n, err := unix.Lgetxattr(volume, name, buf)
		if err != nil || string(buf[:n]) != value {
			t.Errorf("%s is %q, %v", name, buf[:max(n, 0)], err)
		}
	}
	if err := exec.Command("cmp", image, volume).Run(); err != nil {
		t.Errorf("the contents differ: %v", err)
	}
	var st unix.Stat_t
	if err := unix.Stat(volume, &st); err != nil || st.Blocks*512 > 1<<20 {
		t.Errorf("a file of two lines takes %d bytes, %v", st.Blocks*512, err)
	}
}

func TestContainersThatMakeOneVolumeAtOnceFillItOnce(t *testing.T) {
	needRoot(t)
	s, first := containerWithVolume(t, "mkdir data; for i in $(seq 200); do echo $i >data/$i; done", "", Mount{})
	var done sync.WaitGroup
	for range 8 {
		c := *first
		c.dir = filepath.Join(s.dir(), NewID())
		shell(t, s.dir(), "mkdir -p "+c.rootfs())
		done.Go(func() {
			if err := c.makeVolumes(); err != nil {
				t.Error(err)
			}
			// Complete at once for whoever got this far.
			if names, err := os.ReadDir(c.Mounts[0].Source); err != nil || len(names) != 200 {
				t.Errorf("%d files of 200, %v", len(names), err)
			}
		})
	}
	done.Wait()
	onlyFile(t, first.Mounts[0].Source)
}

func TestAnInterruptedCreateLeavesNoVolumeOfItsOwn(t *testing.T) {
	needRoot(t)
	s, c := containerWithVolume(t, "mkdir data", "", Mount{})
	c.Mounts = append(
		c.Mounts,
		MountPoint{Type: "volume", Name: "a", Source: s.volumeDir("a"), Destination: "/data", Anonymous: true},
		MountPoint{Type: "volume", Name: "begun", Source: s.volumeDir("begun"), Destination: "/data"},
	)
	shell(t, s.Root, "mkdir -p volumes/other/_data")
	if err := c.makeVolumes(); err != nil {
		t.Fatal(err)
	}
	// It was killed while it copied to the last of them.
	shell(t, s.Root, "mv volumes/begun/_data volumes/begun/copying")
	if err := s.sweep(); err != nil {
		t.Fatal(err)
	}
	if got := shell(t, s.Root, "ls containers volumes"); got != "containers:\n\nvolumes:\nnamed\nother\n" {
		t.Errorf("left:\n%s", got)
	}
}

func TestAnAnonymousVolumeThatAnotherMountsStays(t *testing.T) {
	s := &Store{Root: t.TempDir()}
	m := MountPoint{Type: "volume", Name: "shared", Source: s.volumeDir("shared"), Anonymous: true}
	shell(t, s.Root, "mkdir -p containers volumes/shared/_data")
	maker, user := s.handle(NewID()), s.handle(NewID())
	maker.Mounts, user.Mounts = []MountPoint{m}, []MountPoint{m}
	for _, c := range []*Container{maker, user} {
		shell(t, s.dir(), "mkdir "+c.ID+"; ln -s x "+c.ID+"/name")
		for name, v := range map[string]any{"record.json": &c.Record, "state.json": &c.State} {
			if err := writeJSON(filepath.Join(c.dir, name), v, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.remove(maker, true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(m.Source); err != nil {
		t.Errorf("while another uses it: %v", err)
	}
	if err := s.remove(user, true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(m.Source); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after its last user: %v, want that it is gone", err)
	}
}

func TestAThreadOfItsOwnIsNeverTheMainOne(t *testing.T) {
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if err := onOwnThread(func() error {
				if unix.Gettid() == unix.Getpid() {
					return errors.New("on the main thread, which would stay as it was left")
				}
				return unix.Unshare(unix.CLONE_FS)
			}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := onOwnThread(func() error { return fmt.Errorf("passed on") }); err == nil {
		t.Error("the error is lost")
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounts and owners need root")
	}
}

// containerWithVolume is a container of an image whose layers the scripts make,
// with the volume "named" on /data, as far as Create has come when it makes
// volumes.
func containerWithVolume(t *testing.T, lower, upper string, m Mount) (*Store, *Container) {
	t.Helper()
	s := &Store{Root: t.TempDir()}
	c := s.handle(NewID())
	c.Layers = planLayers
	m.Type, m.Source, m.Target = "volume", "named", "/data"
	c.HostConfig.Mounts = []Mount{m}
	c.Mounts = []MountPoint{{Type: "volume", Name: "named", Source: s.volumeDir("named"), Destination: "/data", RW: true}}
	store := layers.Store{Dir: c.layersDir}
	shell(t, s.Root, "mkdir -p "+c.rootfs())
	for i, script := range []string{lower, upper} {
		dir := store.Path(planLayers[i])
		shell(t, s.Root, "mkdir -p "+dir)
		shell(t, dir, script)
	}
	return s, c
}

// shell runs a script in a directory and returns what it printed.
func shell(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.Command("sh", "-eu", "-c", "umask 022; "+script)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}
