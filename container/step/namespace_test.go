package step_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

// The variables with which a test executes this binary again, as a helper that
// does one case in fresh namespaces.
const (
	caseVariable = "STEP_TEST_CASE"
	wayVariable  = "STEP_TEST_WAY"
)

// The ways in which a case is done.
const (
	byFork  = "Fork"
	byDo    = "Do"
	byShell = "sh"

	byTrouble = "trouble" // a case of another table
)

const (
	success = "succeeded\n"
	failure = "failed\n"
)

// probe prints what steps may have changed, to descriptor 2 because steps
// change 0 and 1.
const probe = `echo '== begin' >&2
ls -l /proc/$$/fd >&2
exec 1>&2
echo '== arguments'; tr '\0' '\n' < /proc/$$/cmdline
echo '== environ'; tr '\0' '\n' < /proc/$$/environ
PATH=/usr/sbin:/usr/bin:/sbin:/bin
echo '== status'; grep -E '^(Uid|Gid|Groups|Cap[A-Z]|NoNewPrivs|Seccomp|Umask|SigIgn)' /proc/$$/status
set -- $(sed 's/.*) //' /proc/$$/stat)
echo '== session'; [ $4 = $$ ] && echo leader; [ $3 = $$ ] && echo leader of group; echo terminal $5
echo '== limits'; cat /proc/$$/limits
echo '== paths'; readlink /proc/$$/cwd /proc/$$/root
echo '== hostname'; cat /proc/sys/kernel/hostname
echo '== links'; ip -j link
echo '== mountinfo'; cat /proc/$$/mountinfo
echo '== files'; find /mnt/t -xdev -print0 | sort -z | xargs -0 stat -c '%N %F %a %u:%g %t:%T %s'
find /mnt/t -xdev -type f -print0 | sort -z | xargs -0r tail -v -c 200 --
echo '== look'; cd /mnt/t && . /mnt/look
echo '== end'
`

// outcome does a case in namespaces of its own and returns what the probe then
// sees.
func outcome(t *testing.T, v verb, way string) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	// The race detector's build would sleep for a second before it ends.
	cmd.Env = append([]string{caseVariable + "=" + v.name, wayVariable + "=" + way, "GORACE=atexit_sleep_ms=0"}, environ...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", way, err, &stdout, &stderr)
	}
	said, seen, begun := strings.Cut(stderr.String(), "== begin\n")
	seen, _, ended := strings.Cut(seen, "== end\n")
	if !begun || !ended {
		t.Fatalf("%s: the probe saw nothing: %s%s", way, &stdout, &stderr)
	}
	status, _, _ := strings.Cut(stdout.String(), "\n")
	if failed := status+"\n" == failure; failed != v.fails {
		t.Errorf("%s %s: %s%s", way, status, &stdout, said)
	}
	if v.tree != "" || v.pidfd || v.netns != "" {
		seen = treeFile.ReplaceAllString(seen, "") // a mount that is moved is elsewhere then
	}
	return status + "\n" + normalise(seen)
}

// runCase is the helper: it prepares the namespaces, does the case and lets the
// probe look. It returns the exit code.
func runCase(name, way string) int {
	// What a step changes in one thread is inherited by what that thread forks.
	runtime.LockOSThread()
	for _, v := range verbs {
		if v.name != name {
			continue
		}
		if err := prepare(v); err != nil {
			fmt.Println("prepare:", err)
			return 1
		}
		err := v.do(way)
		if err == nil {
			fmt.Print(success)
			return 0
		}
		fmt.Print(failure, err, "\n")
		if err := run(step.Plan{{Steps: []step.Step{probeStep}}}); err != nil {
			fmt.Println("probe:", err)
			return 1
		}
		return 0
	}
	fmt.Println("no such case")
	return 1
}

var probeStep = step.Exec{Files: []string{"/bin/sh"}, Args: []string{"/bin/sh", "/mnt/probe"}, Env: environ}

// do does the case's steps and, when they succeed, the probe.
func (v verb) do(way string) error {
	steps := v.steps
	if _, ok := steps[len(steps)-1].(step.Exec); !ok {
		steps = append(steps[:len(steps):len(steps)], probeStep)
	}
	last := steps[len(steps)-1:]
	switch way {
	case byFork:
		return run(step.Plan{{Steps: steps}})
	case byDo:
		if err := (step.Plan{{Steps: steps[:len(steps)-1]}}).Do(); err != nil {
			return err
		}
		return run(step.Plan{{Steps: last}})
	case byShell:
		var script strings.Builder
		script.WriteString("set -e\n")
		if err := (step.Plan{{Steps: steps}}).Print(&script); err != nil {
			return err
		}
		if err := os.WriteFile("/mnt/script", []byte(script.String()), 0o644); err != nil {
			return err
		}
		return run(step.Plan{{Steps: []step.Step{step.Exec{Files: []string{"/bin/sh"}, Args: []string{"sh", "/mnt/script"}, Env: environ}}}})
	}
	return fmt.Errorf("no such way: %q", way)
}

// run forks the plan and waits.
func run(p step.Plan) error {
	proc, err := p.Fork(step.Clone{Files: inheritable()})
	if err != nil {
		return err
	}
	return wait(proc)
}

// tree is the descriptor of a mount that a step moves, which the process needs
// although it is closed by exec.
const tree = 9

// inheritable returns this process's files that exec would leave open.
func inheritable() []*os.File {
	var files []*os.File
	for fd := range 32 {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && (flags&unix.FD_CLOEXEC == 0 || fd == tree) {
			for len(files) <= fd {
				files = append(files, nil)
			}
			files[fd] = os.NewFile(uintptr(fd), "inherited")
			leftOpen = append(leftOpen, files[fd])
		}
	}
	return files
}

// leftOpen keeps the collector from closing files.
var leftOpen []*os.File

// wait returns an error unless the process ends with zero.
func wait(proc *step.Process) error {
	status, err := proc.Wait()
	if err := errors.Join(err, proc.Release()); err != nil {
		return err
	}
	if status != 0 {
		return fmt.Errorf("exit code %d, signal %d", status.ExitStatus(), status.Signal())
	}
	return nil
}

// prepare leaves of the mount tree what the tools need, because others mount
// while the test runs, and mounts an empty tmpfs to work in.
func prepare(v verb) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	kept := map[string]bool{"/": true, "/proc": true, "/dev": true, "/usr": true, "/bin": true, "/lib": true, "/lib64": true, "/sbin": true, "/etc": true}
	for line := range strings.Lines(string(table)) {
		if place := strings.Fields(line)[4]; !kept[place] {
			// A parent may have taken it along.
			if err := unix.Unmount(place, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
				return fmt.Errorf("unmount %s: %w", place, err)
			}
		}
	}
	unix.Umask(0o022)
	for _, err := range []error{
		unix.Mount("proc", "/proc", "proc", 0, ""),
		unix.Mount("tmpfs", "/mnt", "tmpfs", 0, "mode=755"),
		os.Mkdir("/mnt/t", 0o755),
		unix.Mount("tmpfs", "/mnt/t", "tmpfs", 0, "mode=755"),
		os.WriteFile("/mnt/probe", []byte(probe), 0o644),
		os.WriteFile("/mnt/look", []byte(v.look+"\n"), 0o644),
		os.WriteFile("/mnt/in", []byte("in\n"), 0o644),
		os.Chdir("/mnt/t"),
	} {
		if err != nil {
			return err
		}
	}
	// What the test itself was started with is no outcome.
	if err := unix.CloseRange(3, 1<<31, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return err
	}
	for fd, file := range map[int]string{7: "/mnt/in", 8: "/mnt/out"} {
		n, err := unix.Open(file, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
		if err != nil {
			return err
		}
		if err := place(n, fd, 0); err != nil {
			return err
		}
	}
	if v.setup != "" {
		setup := exec.Command("sh", "-ec", v.setup)
		setup.Env = environ
		if out, err := setup.CombinedOutput(); err != nil {
			return fmt.Errorf("setup: %w\n%s", err, out)
		}
	}
	if v.pidfd {
		n, err := unix.PidfdOpen(1, 0)
		if err != nil {
			return fmt.Errorf("pidfd_open: %w", err)
		}
		return place(n, tree, unix.FD_CLOEXEC)
	}
	if v.netns != "" {
		for _, fd := range []int{tree, tree + 1} {
			n, err := unix.Open(v.netns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			if err := place(n, fd, 0); err != nil {
				return err
			}
		}
		return unix.Unmount(v.netns, unix.MNT_DETACH)
	}
	if v.tree != "" {
		n, err := unix.OpenTree(unix.AT_FDCWD, v.tree, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
		if err != nil {
			return fmt.Errorf("open_tree %s: %w", v.tree, err)
		}
		return place(n, tree, unix.FD_CLOEXEC)
	}
	return nil
}

// place moves the descriptor from to the number to, with flags.
func place(from, to, flags int) error {
	if from != to {
		if err := unix.Dup3(from, to, 0); err != nil {
			return err
		}
		if err := unix.Close(from); err != nil {
			return err
		}
	}
	_, err := unix.FcntlInt(uintptr(to), unix.F_SETFD, flags)
	return err
}

var (
	pipeNumber = regexp.MustCompile(`(pipe|socket):\[\d+\]`)
	longName   = regexp.MustCompile(`(?m)^l.* (\d+ -> )`)
	laterState = regexp.MustCompile(`"(NO-CARRIER|LOWER_UP|M-DOWN)",|,"(NO-CARRIER|LOWER_UP|M-DOWN)"|"operstate":"\w+",`) // a kernel thread's news
	ownFile    = regexp.MustCompile(`(?m)^(total|1\d -> ).*\n`)                                                           // sh's, which it closes itself
	treeFile   = regexp.MustCompile(`(?m)^l.* 9 -> .*\n`)
	peerGroup  = regexp.MustCompile(`(shared|master|propagate_from):(\d+)`)
)

// normalise replaces the numbers that the kernel gives out by the order in which
// they are seen.
func normalise(seen string) string {
	var b strings.Builder
	ids, devices, peers := numbering{}, numbering{}, numbering{}
	section := ""
	seen = pipeNumber.ReplaceAllString(seen, "$1")
	seen = longName.ReplaceAllString(seen, "$1")
	seen = ownFile.ReplaceAllString(seen, "")
	seen = laterState.ReplaceAllString(seen, "")
	for line := range strings.Lines(seen) {
		if rest, ok := strings.CutPrefix(line, "== "); ok {
			section = rest
		}
		if f := strings.Fields(line); section == "mountinfo\n" && len(f) > 6 {
			f[0], f[1], f[2] = ids.of(f[0]), ids.of(f[1]), devices.of(f[2])
			line = peerGroup.ReplaceAllStringFunc(strings.Join(f, " "), func(s string) string {
				word, number, _ := strings.Cut(s, ":")
				return word + ":" + peers.of(number)
			}) + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

type numbering map[string]string

func (n numbering) of(s string) string {
	if _, ok := n[s]; !ok {
		n[s] = fmt.Sprint(len(n) + 1)
	}
	return n[s]
}

// difference returns the lines that two outcomes do not share.
func difference(want, got string) string {
	count := map[string]int{}
	for line := range strings.Lines(want) {
		count[line]--
	}
	for line := range strings.Lines(got) {
		count[line]++
	}
	var b strings.Builder
	for _, side := range []struct {
		text, mark string
		sign       int
	}{{want, "sh: ", -1}, {got, "go: ", 1}} {
		for line := range strings.Lines(side.text) {
			if count[line]*side.sign > 0 {
				count[line] -= side.sign
				b.WriteString(side.mark + line)
			}
		}
	}
	if b.Len() == 0 {
		return "the same lines in another order:\n" + want + got
	}
	return b.String()
}
