package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// parts are the headings of each chapter, in this order.
var parts = []string{"The idea", "By hand", "What gocker does", "The same in docker", "An experiment"}

// TestTutorial types what docs/tutorial says and compares what is printed.
func TestTutorial(t *testing.T) {
	pages, err := filepath.Glob("../docs/tutorial/[0-9]*.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) != 10 {
		t.Fatalf("%d chapters; the tutorial has ten", len(pages))
	}
	oneAtATime(t)
	h, err := startHub(shared.registry, shared.source, shared.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.stop()
		for _, left := range trinkets() {
			t.Errorf("leak: %s", left)
			os.Remove(left)
		}
	})
	for _, page := range pages {
		t.Run("tutorial-"+strings.TrimSuffix(filepath.Base(page), ".md"), func(t *testing.T) {
			file, err := os.Open(page)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			c, err := parseChapter(file)
			if err != nil {
				t.Fatalf("%s: %v", page, err)
			}
			if !slices.Equal(c.headings, parts) {
				t.Errorf("%s has the parts %q, want %q", page, c.headings, parts)
			}
			if took := c.duration(); took > 15*time.Minute {
				t.Errorf("%s takes %v to read and type", page, took)
			}
			t.Parallel()
			play(t, page, c, h)
		})
	}
}

// oneAtATime keeps two runs of the tutorial on one machine from making the same
// control groups: the text names them.
func oneAtATime(t *testing.T) {
	dir, err := os.Open("/sys/fs/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		t.Fatalf("lock %s: %v", dir.Name(), err)
	}
}

// duration is how long somebody takes who reads 200 words a minute and needs 15
// seconds for a command: to type it, and to look at what it says.
func (c *chapter) duration() time.Duration {
	d := time.Duration(c.words) * time.Minute / 200
	for _, b := range c.blocks {
		d += time.Duration(len(b.commands)) * 15 * time.Second
	}
	return d.Round(time.Second)
}

// setup makes the paths of the text those of a chapter's directory. The host may
// lack them, and is not to get them: to remove a directory takes the mounts on it
// away in all namespaces, and so in those of another run of this test.
const setup = `set -e
cd %[1]s
for dir in var/lib run; do
	mkdir -p over/$dir/upper over/$dir/work
	mount -t overlay -o lowerdir=/$dir,upperdir=over/$dir/upper,workdir=over/$dir/work overlay /$dir
	mkdir -p /$dir/gocker
done
mount --bind root /var/lib/gocker
mount --bind run /run/gocker
cd work
exec bash --noprofile --norc`

// play types a chapter into a shell on a machine where gocker's directories are
// new, and where nobody else is harmed: see startShell. The paths are those of the
// text, by mounts in the shell's namespace.
func play(t *testing.T, page string, c *chapter, h *hub) {
	home := shared.newHome()
	for _, dir := range []string{"root", "run", "work"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GOCKER_") })
	env = append(env, h.environment()...)
	env = append(env, "PATH="+filepath.Dir(shared.gocker)+":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME="+home+"/work", "LC_ALL=C.UTF-8", "TERM=dumb")
	if !c.emptyRun {
		pull := exec.Command(shared.gocker, "--root", home+"/root", "--run-root", home+"/run", "pull", "-q", "busybox")
		pull.Env = env
		if said, err := pull.CombinedOutput(); err != nil {
			t.Fatalf("pull busybox: %v\n%s", err, said)
		}
	}
	made, err := watchBirths(home)
	if err != nil {
		t.Fatal(err)
	}
	s, err := startShell("ip link set lo up\n"+fmt.Sprintf(setup, home), env)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.run("true"); err != nil {
		t.Fatal(err) // it is in its namespaces now
	}
	t.Cleanup(h.listenFor(t, s))
	ended := false
	t.Cleanup(func() {
		if !ended {
			_ = s.cmd.Process.Kill()
		}
		for _, leak := range leaks(home, made.ids()) {
			t.Errorf("leak: %s", leak)
		}
		if err := clean(shared.gocker, home); err != nil {
			t.Error(err)
		}
	})
	for _, b := range c.blocks {
		if missing := b.missing(t); missing != "" {
			t.Logf("%s:%d: left out in this lane: %s", page, b.line, missing)
			continue
		}
		for _, cmd := range b.commands {
			if err := try(t, s, cmd, b.soon); err != nil {
				t.Errorf("%s:%d: $ %s\n%v", page, cmd.line, cmd.text, err)
				if errors.Is(err, errShell) {
					return
				}
			}
		}
	}
	ended = true
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

// try types a command and compares what it prints, with soon until it is right.
func try(t *testing.T, s *shell, cmd command, soon bool) error {
	end := time.Now().Add(patience())
	for {
		got, status, err := s.run(cmd.text)
		if err != nil {
			return fmt.Errorf("%w; so far it has printed:\n%s", err, got)
		}
		if matches(cmd.output, got) {
			return nil
		}
		if !soon || time.Now().After(end) {
			n := right(cmd.output, got)
			return fmt.Errorf("the text says, from line %d of its output on:\n%s\n\nit printed (exit status %d):\n%s",
				n+1, strings.Join(cmd.output[n:], "\n"), status, shortened(got))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// shortened leaves out the middle of what would fill screens.
func shortened(output string) string {
	lines := strings.SplitAfter(output, "\n")
	if len(lines) < 60 {
		return output
	}
	return strings.Join(lines[:20], "") + "[…]\n" + strings.Join(lines[len(lines)-30:], "")
}

// missing says why a block can't be run on this kernel.
func (b *block) missing(t *testing.T) string {
	if b.needs == "" {
		return ""
	}
	v2, err := condition("cgroup-v2")
	if err != nil {
		t.Fatal(err)
	}
	if v2 == (b.needs == "cgroup-v2") {
		return ""
	}
	return "it needs " + b.needs
}

// trinkets are things that chapters make by hand on the host and take away again:
// control groups and named network namespaces, all of them called tutorial.
func trinkets() []string {
	var found []string
	for _, pattern := range []string{"/sys/fs/cgroup/tutorial*", "/sys/fs/cgroup/*/tutorial*", "/run/netns/tutorial*"} {
		names, _ := filepath.Glob(pattern)
		found = append(found, names...)
	}
	return found
}
