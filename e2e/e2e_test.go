package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"gocker/e2e/fixture"
)

// suite is what all scripts of one test process share.
type suite struct {
	gocker   string // the binary under test
	dir      string // temporary, on a filesystem that can hold an overlay's upper
	cache    string // what is slow to make, kept between runs
	lane     string // "host" or "vm"
	registry *registry
	source   *fixture.Source // of the images in it
	stalling string          // a registry whose blobs stop in the middle
	results  results
	scripts  atomic.Int32
}

var shared suite

func TestMain(m *testing.M) {
	flag.Parse()
	code := 1
	err := enterOwnNetwork()
	if err == nil {
		code, err = shared.run(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

// run sets the suite up, runs the tests and takes all of it away.
func (s *suite) run(m *testing.M) (code int, err error) {
	if os.Geteuid() != 0 {
		return 1, fmt.Errorf("containers need root (sudo go test ./e2e)")
	}
	s.lane = envOr("E2E_LANE", "host")
	s.cache = envOr("E2E_CACHE", "/var/cache/gocker-e2e")
	// A short name, because sockets lie under it and their paths end at 107 bytes.
	if s.dir, err = os.MkdirTemp(envOr("E2E_DIR", "/var/tmp"), "e2e."); err != nil {
		return 1, err
	}
	defer os.RemoveAll(s.dir)
	if err := os.Setenv("GOTMPDIR", s.dir); err != nil {
		return 1, err
	}
	if s.gocker, err = s.binary(); err != nil {
		return 1, err
	}
	if s.registry, err = startRegistry(filepath.Join(s.dir, "registry")); err != nil {
		return 1, err
	}
	defer s.registry.stop()
	if err := s.pushFixtures(); err != nil {
		return 1, err
	}
	proxy := stallingProxy(s.registry.addr)
	defer proxy.Close()
	s.stalling = proxy.Listener.Addr().String()

	code = m.Run()
	if left := networkLeaks(); len(left) > 0 {
		code = 1
		fmt.Fprintln(os.Stderr, "e2e: left in the network namespace:\n"+strings.Join(left, "\n"))
	}
	return code, s.results.write(os.Getenv("E2E_RESULTS"))
}

// binary is $GOCKER, or gocker built now.
func (s *suite) binary() (string, error) {
	if given := os.Getenv("GOCKER"); given != "" {
		return filepath.Abs(given)
	}
	out := filepath.Join(s.dir, "bin", "gocker")
	build := exec.Command("go", "build", "-trimpath", "-o", out, "gocker/cmd/gocker")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	return out, inMachinesNetwork(func() error { // the proxy of Go's modules is there
		if text, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, text)
		}
		return nil
	})
}

func (s *suite) pushFixtures() error {
	outside := filepath.Join(s.dir, "outside")
	if err := os.Mkdir(outside, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(outside, "victim"), []byte("untouched\n"), 0o644); err != nil {
		return err
	}
	s.source = &fixture.Source{Gocker: s.gocker, Outside: outside}
	for _, name := range fixture.Names() {
		image, err := fixture.Build(name, s.source)
		if err != nil {
			return err
		}
		if err := fixture.Push(context.Background(), s.registry.addr+"/"+name, image); err != nil {
			return err
		}
	}
	return nil
}

func TestScripts(t *testing.T) {
	testscript.RunT(&recorder{T: t, suite: &shared}, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               shared.setup,
		Condition:           condition,
		Cmds:                commands,
	})
}

// setup gives a script its own roots. The directory's name is a number: a
// script's name would make the paths of sockets too long.
func (s *suite) setup(env *testscript.Env) error {
	home := env.T().(*recorder).home
	for _, dir := range []string{"root", "run"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o755); err != nil {
			return err
		}
	}
	env.Setenv("GOCKER_ROOT", filepath.Join(home, "root"))
	env.Setenv("GOCKER_RUN_ROOT", filepath.Join(home, "run"))
	env.Setenv("REGISTRY", s.registry.addr)
	env.Setenv("REGISTRY_DATA", s.registry.data)
	env.Setenv("STALLING", s.stalling)
	env.Setenv("OUTSIDE", filepath.Join(s.dir, "outside"))
	env.Setenv("GOCKER", s.gocker)
	env.Setenv("PATH", filepath.Dir(s.gocker)+":"+os.Getenv("PATH"))
	env.Setenv("HOME", env.WorkDir)
	// Seconds that no other script sleeps, by which a script finds its processes in
	// the machine's table.
	env.Setenv("SLEEP", "10"+filepath.Base(home))
	env.Values[jobsKey{}] = jobs{}
	return nil
}

func condition(name string) (bool, error) {
	switch name {
	case "vm":
		return shared.lane == "vm", nil
	case "cgroup-v2":
		var fs unix.Statfs_t
		if err := unix.Statfs("/sys/fs/cgroup", &fs); err != nil {
			return false, err
		}
		return fs.Type == unix.CGROUP2_SUPER_MAGIC, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

func (s *suite) newHome() string {
	return filepath.Join(s.dir, strconv.Itoa(int(s.scripts.Add(1))))
}

func envOr(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

var debian = sync.OnceValue(func() error {
	var image v1.Image
	err := inMachinesNetwork(func() (err error) {
		image, err = fixture.Debian(shared.cache)
		return err
	})
	if err != nil {
		return err
	}
	return fixture.Push(context.Background(), shared.registry.addr+"/debian", image)
})

// pushDebian makes the debian image, if no run before has, and pushes it.
func (s *suite) pushDebian() error { return debian() }
