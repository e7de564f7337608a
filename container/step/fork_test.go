package step_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"gocker/container/step"

	"golang.org/x/sys/unix"
)

// allNew are the namespaces of a container.
const allNew = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP

var (
	justTrue = step.Exec{Files: []string{"/bin/true"}, Args: []string{"true"}}
	private  = step.Mount{Target: "/", Flags: unix.MS_REC | unix.MS_PRIVATE}
)

func TestAPlanBecomesItsProgram(t *testing.T) {
	got := output(t, step.Clone{Flags: allNew}, private,
		step.Sethostname{Name: "inside"},
		step.Mount{Source: "proc", Target: "/proc", Type: "proc"},
		step.LinkUp{Name: "lo"},
		step.CloseFrom{First: 3},
		step.Exec{
			Files: step.LookPath("sh", "/nowhere:/bin"),
			Args:  []string{"sh", "-c", "read name < /proc/sys/kernel/hostname; echo $name $$ $X; ls /proc/self/fd | wc -w"},
			Env:   []string{"PATH=/usr/bin:/bin", "X=y"},
		})
	// Beside the three, ls has the directory that it lists.
	if want := "inside 1 y\n4\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAChildHasNoSignalBlockedOrHandled(t *testing.T) {
	got := output(t, step.Clone{}, step.Exec{Files: []string{"/bin/grep"}, Args: []string{"grep", "-E", "^Sig(Blk|Cgt|Ign)", "/proc/self/status"}})
	if set := regexp.MustCompile(`[1-9a-f]\n`).FindString(strings.ReplaceAll(got, "0000000000000000", "0")); set != "" {
		t.Errorf("the signals of the parent are left:\n%s", got)
	}
}

func TestAProcessIsKnownByItsDescriptor(t *testing.T) {
	proc, err := step.Plan{{Steps: []step.Step{step.Exec{Files: []string{"/bin/sleep"}, Args: []string{"sleep", "100"}}}}}.Fork(step.Clone{Flags: allNew})
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.PidfdSendSignal(int(proc.PidFD.Fd()), unix.SIGKILL, nil, 0); err != nil {
		t.Error(err)
	}
	if err := wait(proc); err == nil || !strings.Contains(err.Error(), "signal 9") {
		t.Errorf("the process was not killed: %v", err)
	}
}

// longPlan has steps of one call and of several, with held descriptors and
// tolerated errors.
func longPlan() []step.Step {
	return []step.Step{
		private,
		step.Mount{Source: "tmpfs", Target: "/mnt", Type: "tmpfs"},
		step.Chdir{Path: "/mnt"},
		step.Umask{Mask: 0o22},
		step.Mkdir{Path: "a", Mode: 0o755},
		step.Mkdir{Path: "a", Mode: 0o755, Parents: true},
		step.MkdirAll{Path: "/mnt/b/c/d"},
		step.Mknod{Path: "null", Type: 'c', Major: 1, Minor: 3, Mode: 0o666},
		step.Symlink{Target: "a", Path: "l"},
		step.Touch{Path: "f"},
		step.Write{Path: "f", Data: "text"},
		step.Chown{Path: "f", UID: 1, GID: 1},
		step.Unlink{Path: "nothing"},
		step.Sethostname{Name: "inside"},
		step.LinkUp{Name: "lo"},
		step.Rlimit{Resource: "core"},
		step.Dup{From: 0, To: 9},
		step.CloseFrom{First: 3},
		step.Setsid{},
		step.User{},
		step.NoNewPrivs{},
		justTrue,
	}
}

func TestAFailureIsReportedWithItsStepAndErrno(t *testing.T) {
	failing := map[syscall.Errno]step.Step{
		unix.ENOENT:       step.Mount{Source: "proc", Target: "/no/such/dir", Type: "proc"},
		unix.EEXIST:       step.Mkdir{Path: "/", Mode: 0o755},
		unix.ENODEV:       step.LinkUp{Name: "eth9"},
		unix.ENAMETOOLONG: step.Mkdir{Path: strings.Repeat("x", 300), Mode: 0o755, Parents: true},
		unix.ENOTDIR:      step.MkdirAll{Path: "/proc/version/a"},
	}
	plan := longPlan()
	if _, err := try(step.Clone{Flags: allNew}, plan...); err != nil {
		t.Fatal("the plan without a failure:", err)
	}
	for errno, fails := range failing {
		for i := range plan {
			steps := append(append(append([]step.Step{}, plan[:i]...), fails), plan[i:]...)
			_, err := step.Plan{{Steps: steps[:2]}, {Steps: steps[2:]}}.Fork(step.Clone{Flags: allNew})
			var failed *step.Error
			if !errors.As(err, &failed) {
				t.Fatalf("at %d: %v", i+1, err)
			}
			if failed.Index != i+1 || failed.Total != len(steps) || failed.Step != fails || failed.Err != errno {
				t.Errorf("at %d: got %v (%d of %d, %v)", i+1, failed, failed.Index, failed.Total, failed.Err)
			}
		}
	}
	noChildren(t)
}

func TestAProgramThatCantBeExecuted(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain/prog", "text", 0o644)
	text := write("text/prog", "text", 0o755)
	lost := write("lost/prog", "#!/no/such/interpreter\n", 0o755)
	for _, c := range []struct {
		name  string
		files []string
		want  error
	}{
		{"missing", []string{dir + "/missing"}, unix.ENOENT},
		{"not executable", []string{plain}, unix.EACCES},
		{"a directory", []string{dir}, unix.EACCES},
		{"below a file", []string{plain + "/x"}, unix.ENOTDIR},
		{"no format", []string{text}, unix.ENOEXEC},
		{"no interpreter", []string{lost}, unix.ENOENT},
		{"in no directory of PATH", step.LookPath("prog", "/nowhere:"+dir+"/plain:"+plain+":"+dir), unix.ENOENT},
		{"no format in PATH, last", step.LookPath("prog", dir+"/plain:"+dir+"/text"), unix.ENOEXEC},
		{"no format in PATH, first", step.LookPath("prog", dir+"/text:/bin"), unix.ENOEXEC},
		{"no file", nil, unix.ENOENT},
		{"a NUL", []string{"/bin/true\x00"}, unix.EINVAL},
	} {
		e := step.Exec{Files: c.files, Args: []string{"prog"}}
		_, err := step.Plan{{Steps: []step.Step{step.Umask{Mask: 0o22}, e}}}.Fork(step.Clone{})
		var failed *step.Error
		if !errors.As(err, &failed) || failed.Index != 2 || !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if err := e.Do(); !errors.Is(err, c.want) {
			t.Errorf("%s: Do says %v, want %v", c.name, err, c.want)
		}
	}
	noChildren(t)
}

func TestAPathIsLookedUpAsExecvpDoes(t *testing.T) {
	for _, c := range []struct{ name, path, want string }{
		{"sh", "/a:/b", "/a/sh /b/sh"},
		{"sh", "", "./sh"},
		{"sh", ":/a::", "./sh /a/sh ./sh ./sh"},
		{"./sh", "/a", "./sh"},
		{"/x/sh", "/a", "/x/sh"},
	} {
		if got := strings.Join(step.LookPath(c.name, c.path), " "); got != c.want {
			t.Errorf("%q in %q: got %q, want %q", c.name, c.path, got, c.want)
		}
	}
}

func TestAPlanThatNoChildCanRunIsRefused(t *testing.T) {
	zero := "a\x00b"
	for name, steps := range map[string][]step.Step{
		"empty":                    nil,
		"does not end in an exec":  {justTrue, step.Umask{}},
		"a step of another kind":   {foreign{}, justTrue},
		"a NUL in a path":          {step.Mkdir{Path: zero}, justTrue},
		"a NUL in data":            {step.Write{Path: "/dev/null", Data: zero}, justTrue},
		"a NUL in a mount":         {step.Mount{Target: "/", Data: zero}, justTrue},
		"a NUL in a host name":     {step.Sethostname{Name: zero}, justTrue},
		"a NUL in an interface":    {step.LinkUp{Name: zero}, justTrue},
		"a long interface":         {step.LinkUp{Name: "sixteenletters16"}, justTrue},
		"a NUL in an argument":     {step.Exec{Files: []string{"/bin/true"}, Args: []string{"true", zero}}},
		"a NUL in the environment": {step.Exec{Files: []string{"/bin/true"}, Args: []string{"true"}, Env: []string{zero}}},
		"no command":               {step.Exec{Files: []string{"/bin/true"}}},
		"an unknown limit":         {step.Rlimit{Resource: "files"}, justTrue},
	} {
		if _, err := (step.Plan{{Steps: steps}}).Fork(step.Clone{}); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(name, "NUL") && !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	noChildren(t)
}

// foreign is a step of another package.
type foreign struct{}

func (foreign) Shell() string   { return "foreign" }
func (foreign) Do() error       { return nil }
func (foreign) Undo() step.Step { return nil }

// output forks the steps and returns what the program writes to descriptor 1.
func output(t *testing.T, c step.Clone, steps ...step.Step) string {
	t.Helper()
	out, err := try(c, steps...)
	if err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return out
}

func try(c step.Clone, steps ...step.Step) (string, error) {
	// A file, not a pipe: forks at the same time would hold a pipe open.
	fd, err := unix.MemfdCreate("output", unix.MFD_CLOEXEC)
	if err != nil {
		return "", err
	}
	f := os.NewFile(uintptr(fd), "output")
	defer f.Close()
	c.Files = []*os.File{nil, f, f}
	proc, err := step.Plan{{Steps: steps}}.Fork(c)
	if err != nil {
		return "", err
	}
	err = wait(proc)
	out := make([]byte, 1<<16)
	n, _ := f.ReadAt(out, 0)
	return string(out[:n]), err
}

// noChildren fails when a child was not waited for.
func noChildren(t *testing.T) {
	t.Helper()
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("a child is left: %d, %v", pid, err)
	}
}
