package e2e

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var (
	crashKills = flag.Int("kills", 0, "how many kills the crash test draws; the lane's number unless given")
	crashSeed  = flag.Uint64("seed", 0, "what it draws them from; another one each time unless given")
)

// crashes are commands that are killed at some moment, as are the monitors that there
// are at that. The container "victim" runs when they begin.
var crashes = []string{
	"run --name new -v /data $IMAGE true",
	"run --name new --rm -v /data $IMAGE true",
	"run --name new -d $IMAGE sleep 1000",
	"run --name new -d --restart always $IMAGE true",
	"stop -t 0 victim",
	"kill victim",
	"rm -f -v victim",
	"restart -t 0 victim",
	"exec victim true",
	"rename victim new",
	"update -m 64m victim",
}

// who is killed.
var crashed = []string{"the command", "the monitors", "the command, then the monitors", "the monitors, then the command"}

// TestAfterAKillAtAnyMomentTheNextCommandTellsTheTruth kills parts of gocker, and then
// asks gocker what there is: what it says runs has a process, what it says has ended
// has none, and when all is removed nothing is left.
func TestAfterAKillTheNextCommandTellsTheTruth(t *testing.T) {
	t.Run("kill-at-any-moment", killAtAnyMoment)
}

func killAtAnyMoment(t *testing.T) {
	kills, seed := *crashKills, *crashSeed
	if kills == 0 {
		kills = 200
		if shared.lane == "vm" {
			kills = 6
		}
	}
	if seed == 0 {
		seed = rand.Uint64()
	}
	draw := rand.New(rand.NewPCG(seed, 0))
	c := newCrasher(t)
	whole := map[string]time.Duration{}
	for _, args := range crashes {
		c.prepare(t)
		start := time.Now()
		if err := c.start(t, args).Wait(); err != nil {
			t.Fatalf("gocker %s: %v", args, err)
		}
		whole[args] = time.Since(start)
		c.tidy(t)
	}
	for i := range kills {
		args, who := crashes[draw.IntN(len(crashes))], crashed[draw.IntN(len(crashed))]
		moment := time.Duration(draw.Float64() * 1.3 * float64(whole[args]))
		c.prepare(t)
		c.kill(t, c.start(t, args), who, moment)
		c.tidy(t)
		if i%50 == 49 || i == kills-1 {
			c.end(t)
		}
		if t.Failed() {
			t.Fatalf("kill %d of -kills %d -seed %d: gocker %s: %s, after %v", i+1, kills, seed, args, who, moment)
		}
	}
}

// crasher is a store to kill in.
type crasher struct {
	home string
	env  []string
	ids  []string // of the containers that there were since nothing was left
	runs bool     // the victim
}

func newCrasher(t *testing.T) *crasher {
	t.Helper()
	c := &crasher{home: shared.newHome()}
	c.env = append(os.Environ(), "GOCKER_ROOT="+c.home+"/root", "GOCKER_RUN_ROOT="+c.home+"/run", "IMAGE="+shared.registry.addr+"/busybox")
	if err := os.MkdirAll(c.home, 0o755); err != nil {
		t.Fatal(err)
	}
	c.gocker(t, "pull -q $IMAGE")
	t.Cleanup(func() {
		if err := clean(shared.gocker, c.home); err != nil {
			t.Error(err)
		}
	})
	return c
}

// command is `gocker ARGS`, without a shell, which would be killed in its place.
func (c *crasher) command(args string) *exec.Cmd {
	words := strings.Fields(strings.ReplaceAll(args, "$IMAGE", shared.registry.addr+"/busybox"))
	cmd := exec.Command(shared.gocker, words...)
	cmd.Env, cmd.Dir = c.env, c.home
	return cmd
}

func (c *crasher) gocker(t *testing.T, args string) string {
	t.Helper()
	out, err := c.command(args).CombinedOutput()
	if err != nil {
		t.Fatalf("gocker %s: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (c *crasher) prepare(t *testing.T) {
	t.Helper()
	if !c.runs {
		c.ids = append(c.ids, c.gocker(t, "run -d --name victim -v /data $IMAGE sleep 1000"))
		c.runs = true
	}
}

// tidy finds out whether what gocker says is true, and leaves nothing but a victim that
// runs.
func (c *crasher) tidy(t *testing.T) {
	t.Helper()
	all, err := c.truth()
	if err != nil {
		t.Error(err)
	}
	c.runs = false
	c.remove(t, slices.DeleteFunc(all, func(s said) bool {
		isVictim := s.name == "/victim" && s.status == "running"
		c.runs = c.runs || isVictim
		return isVictim
	}))
}

// end removes all that there is, after which nothing may be left.
func (c *crasher) end(t *testing.T) {
	t.Helper()
	all, err := c.truth()
	if err != nil {
		t.Error(err)
	}
	c.remove(t, all)
	for _, leak := range leaks(c.home, c.ids) {
		t.Errorf("leak: %s", leak)
	}
	if volumes, _ := os.ReadDir(filepath.Join(c.home, "root/volumes")); len(volumes) > 0 {
		t.Errorf("leak: %d volumes", len(volumes))
	}
	c.runs, c.ids = false, nil
}

func (c *crasher) start(t *testing.T, args string) *exec.Cmd {
	t.Helper()
	cmd := c.command(args)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func (c *crasher) kill(t *testing.T, cmd *exec.Cmd, who string, moment time.Duration) {
	t.Helper()
	time.Sleep(moment)
	for part := range strings.SplitSeq(who, ", then ") {
		if part == "the command" {
			_ = cmd.Process.Kill() // it may have ended
			continue
		}
		for _, pid := range c.monitors() {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(patience()):
		_ = cmd.Process.Kill()
		t.Errorf("the command waits for ever")
	}
}

// monitors finds those whose client has gone.
func (c *crasher) monitors() []int {
	var found []int
	for _, pid := range pids() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && bytes.Contains(text, []byte(c.home+"/run\x00monitor\x00")) {
			found = append(found, pid)
		}
	}
	return found
}

// said is what gocker says of a container.
type said struct {
	id, status, pid, name string
}

// truth compares what gocker says with what there is. A monitor that lives may be
// about to end something: then both change, and agree again.
func (c *crasher) truth() (all []said, err error) {
	err = poll(patience(), func() error {
		all, err = c.list()
		if err != nil {
			return err
		}
		groups := allGroups()
		for _, s := range all {
			if err := s.isTrue(groups); err != nil {
				return fmt.Errorf("container %v: %w", s, err)
			}
		}
		return c.isAll(all, groups)
	})
	return all, err
}

func (c *crasher) list() ([]said, error) {
	out, err := c.command("ps -aq --no-trunc").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("ps: %w: %s", err, out)
	}
	ids := strings.Fields(string(out))
	if len(ids) == 0 {
		return nil, nil
	}
	c.ids = append(c.ids, ids...)
	out, err = c.command("inspect -f {{.Id}},{{.State.Status}},{{.State.Pid}},{{.Name}} " + strings.Join(ids, " ")).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("inspect: %w: %s", err, out) // one may just have been removed
	}
	var all []said
	for _, line := range strings.Fields(string(out)) {
		f := strings.Split(line, ",")
		all = append(all, said{f[0], f[1], f[2], f[3]})
	}
	return all, nil
}

// allGroups finds the groups of all containers of the machine, one each, by ID.
func allGroups() map[string]string {
	groups := map[string]string{}
	for _, top := range []string{"/sys/fs/cgroup/gocker/*", "/sys/fs/cgroup/*/gocker/*"} {
		dirs, _ := filepath.Glob(top)
		for _, dir := range dirs {
			groups[filepath.Base(dir)] = dir
		}
	}
	return groups
}

func (s said) isTrue(groups map[string]string) error {
	if s.name != "/victim" && s.name != "/new" {
		return errors.New("it has another name")
	}
	switch s.status {
	case "running":
		group, err := os.ReadFile(filepath.Join("/proc", s.pid, "cgroup"))
		if err != nil {
			return fmt.Errorf("its process: %w", err)
		}
		if !bytes.Contains(group, []byte("/gocker/"+s.id)) {
			return fmt.Errorf("another process has its pid: %s", group)
		}
		return nil
	case "created", "exited", "restarting":
	default:
		return errors.New("it is in no state that it can be in")
	}
	if s.pid != "0" {
		return errors.New("it has a process")
	}
	if group := groups[s.id]; group != "" && s.status != "restarting" {
		return errors.New("it has the group " + group)
	}
	return nil
}

// isAll looks for what belongs to no container that is listed, or to one that doesn't
// run.
func (c *crasher) isAll(all []said, groups map[string]string) error {
	known, up := map[string]bool{}, map[string]bool{}
	for _, s := range all {
		known[s.id] = true
		up[s.id] = s.status == "running" || s.status == "restarting"
	}
	for _, id := range c.ids {
		if group := groups[id]; group != "" && !known[id] {
			return fmt.Errorf("no container has the group %s", group)
		}
	}
	for dir, expected := range map[string]map[string]bool{"root/containers": known, "run": up} {
		entries, err := os.ReadDir(filepath.Join(c.home, dir))
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if id, _, _ := strings.Cut(entry.Name(), "."); !expected[id] {
				return fmt.Errorf("left: %s/%s", dir, entry.Name())
			}
		}
	}
	return nil
}

// remove removes what is listed.
func (c *crasher) remove(t *testing.T, all []said) {
	t.Helper()
	if len(all) == 0 {
		return
	}
	args := "rm -f -v"
	for _, s := range all {
		args += " " + s.id
	}
	c.gocker(t, args)
}
