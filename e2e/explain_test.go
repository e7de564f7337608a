package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gocker/e2e/fixture"

	"golang.org/x/sys/unix"
)

// explained are runs whose printed script has to make the same container. Each
// flag of run is in one of them. $DIR is a directory with some files, $IMAGE an
// image with the probe alone, $BUSYBOX one of several layers.
var explained = []struct {
	name string
	args string // words as sh splits them, without "run"
	// input is the standard input; without -i the command must not get it.
	input string
	// code is the exit status of a command that is not the probe, which is
	// looked at while it runs.
	code int
	// vm marks what depends on the version of control groups. The emulated
	// machine needs half a minute for a script; the others say nothing new there.
	vm bool
}{
	{name: "one static binary and nothing else", args: "--network none $IMAGE"},
	{name: "an image of several layers", args: "--name printed --label a=b --pull never --platform linux/amd64 --quiet --log-driver local --log-opt max-file=3 --cidfile $DIR/cid $BUSYBOX"},
	{name: "limits", args: "-m 64m --memory-swap 96m --memory-reservation 32m --cpus 0.5 --cpu-shares 512 --cpuset-cpus 0 --pids-limit 12 $IMAGE", vm: true},
	{name: "one process", args: "--rm --pids-limit 1 --entrypoint /bin/sh $BUSYBOX -c 'read -r line; exit 7'", code: 7, vm: true},
	{name: "little memory", args: "--rm -m 8m --entrypoint /bin/sh $BUSYBOX -c 'exec cat /proc/self/limits'"},
	{name: "files", args: "--mount type=bind,source=$DIR/dir,target=/mnt/a --mount type=tmpfs,target=/scratch,tmpfs-size=1048576 --mount type=volume,source=filled,target=/data -v $DIR/dir:/mnt/b:ro,rslave -v $DIR/file:/etc/hosts -v \"$DIR/made here\":/mnt/c -v /new --tmpfs /run:size=1m,mode=1777,exec --shm-size 1m $BUSYBOX /probe /data /mnt/a /mnt/b /mnt/c /scratch /run /new"},
	{name: "files in an image without directories", args: "--read-only -v $DIR/dir:/a/b/c --tmpfs /tmp $IMAGE /probe /a/b/c"},
	{name: "a directory that is read-only with all below", args: "--rm -v $DIR/dir:/m:ro --mount type=bind,source=$DIR/dir,target=/n,readonly,bind-recursive=disabled $BUSYBOX /probe /m /n"},
	{name: "a volume that the image fills", args: "--rm $BUSYBOX /probe /data"},
	{name: "a user and an environment", args: "-u app -w /srv/app -e 'GREETING=it'\\''s a \"new\" $HOME' -e 'LINES=1\nINSIDE\n2' --env-file $DIR/env --hostname box --entrypoint /probe $BUSYBOX /srv/app"},
	{name: "a user without a name", args: "-u 7:8 -h box $IMAGE"},
	{name: "capabilities", args: "--cap-drop CHOWN --cap-drop MKNOD --cap-add NET_ADMIN,SYS_TIME $IMAGE"},
	{name: "no capabilities", args: "--cap-drop ALL $IMAGE"},
	{name: "privileges", args: "--privileged $IMAGE"},
	{name: "limits of the process", args: "--rm --ulimit nofile=100:200 --ulimit core=0 --ulimit nproc=50:60 --ulimit fsize=100000000 --ulimit stack=1048576 --entrypoint /bin/cat $BUSYBOX /proc/self/limits"},
	{name: "little address space", args: "--rm --ulimit as=4000000 --entrypoint /bin/cat $BUSYBOX /proc/self/limits"},
	{name: "names of other hosts", args: "--add-host db:10.0.0.1 --add-host six=[fd00::6] --dns 10.0.0.53 --dns-search a.example.org --dns-option ndots:2 --domainname example.org --hostname box $IMAGE"},
	{name: "kernel parameters and groups", args: "--rm --sysctl net.ipv4.ip_forward=1 --sysctl kernel.msgmax=9000 --group-add extra --group-add 77 --label-file $DIR/env --annotation a=b --security-opt no-new-privileges --security-opt systempaths=unconfined --oom-score-adj 77 --entrypoint /bin/sh $BUSYBOX -c 'id; cat /proc/self/oom_score_adj /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax; grep NoNew /proc/self/status; mount | grep -c /proc/; exit 4'", code: 4},
	{name: "more limits", args: "-m 64m --memory-swappiness 10 --oom-kill-disable --cpu-period 50000 --cpu-quota 25000 --cpuset-mems 0 $IMAGE", vm: true},
	{name: "the host's name and groups", args: "--uts host --cgroupns host $IMAGE"},
	{name: "the host's processes and shared memory", args: "--pid host --ipc host --entrypoint /bin/sh $BUSYBOX -c 'readlink /proc/self/ns/pid; readlink /proc/self/ns/ipc; grep -c /dev/shm /proc/mounts; exit 6'", code: 6},
	{name: "devices", args: "--device /dev/zero:/dev/of/noughts:r --device-cgroup-rule 'c 1:11 r' $IMAGE /probe /dev/of", vm: true},
	{name: "shared memory for others", args: "--rm --ipc shareable --shm-size 1m --entrypoint /bin/sh $BUSYBOX -c 'grep /dev/shm /proc/mounts; ls -la /dev/shm | wc -l; echo >/dev/shm/a; exit 8'", code: 8},
	{name: "no shared memory", args: "--ipc none $IMAGE"},
	{name: "the bridge", args: "--rm --network bridge --entrypoint /bin/sh $BUSYBOX -c 'ip -o addr show dev eth0; ip route; tail -n 1 /etc/hosts; cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6; gateway=$(ip route | grep ^default | cut -d \" \" -f 3); ping -q -c 1 -w 5 $gateway >/dev/null && echo it answers; exit 9'", code: 9, vm: true},
	{name: "the host's network", args: "--network host $IMAGE"},
	{name: "one of the streams", args: "-a stdout --rm --entrypoint /bin/sh $BUSYBOX -c 'echo seen; echo not seen >&2; exit 2'", code: 2},
	{name: "a command below an init", args: "--rm --init --read-only -u app --entrypoint sh $BUSYBOX -c 'cat /proc/1/cmdline; ls -l /sbin/docker-init | cut -c 1-30; grep -c docker-init /proc/mounts; exit 5'", code: 5},
	{name: "no command below an init", args: "--rm --init $IMAGE no-such", code: 127},
	{name: "a health check", args: "--health-cmd true --health-interval 1h --health-timeout 1s --health-retries 1 --health-start-period 2h --health-start-interval 1h $BUSYBOX"},
	{name: "no health check", args: "--rm --no-healthcheck $IMAGE"},
	{name: "input", args: "-i $IMAGE", input: "a line\n"},
	{name: "no input", args: "$IMAGE", input: "a line\n"},
	{name: "a plain directory", args: "--rm --rootfs $DIR/rootfs /probe"},
	{name: "no /proc", args: "--rm --tmpfs /proc --network host --without masks --entrypoint /bin/sh $BUSYBOX -c 'ls -a /proc; ls -aln /dev | cut -c 1-40; exit 3'", code: 3},
	{name: "in the background", args: "--detach --restart on-failure:3 --stop-signal USR1 --stop-timeout 3 --entrypoint /bin/sh $BUSYBOX -c 'hostname | wc -c; grep -E \"Sig(Blk|Ign)|Cap\" /proc/self/status'"},
	{name: "no such command", args: "--rm $IMAGE /no/such", code: 127},
	{name: "no program", args: "--rm $BUSYBOX /etc/passwd", code: 126},
	{name: "a command that a signal ends", args: "--rm --entrypoint /bin/sh $BUSYBOX -c 'sh -c \"kill -SEGV \\$\\$\"; exit $?'", code: 139},
	{name: "walls left out", args: "--without uts,ipc,net,cgroup,masks,caps,limits,devices -m 64m $IMAGE", vm: true},
	{name: "without a PID namespace", args: "--without pid --rm --entrypoint /bin/sh $BUSYBOX -c 'sleep 1000 & exit 5'", code: 5, vm: true},
	{name: "without pivot_root", args: "--without pivot_root $BUSYBOX"},
	{name: "without pivot_root, in an image of one file", args: "--without pivot_root,proc -v $DIR/dir:/a/b $IMAGE /probe /a/b"},
	{name: "without a mount namespace", args: "--rm --without mount,overlay --rootfs $DIR/rootfs /probe"},
}

// notExplained are the flags of run that have no case, and why.
var notExplained = map[string]string{
	"detach-keys":  "the client's, not the container's",
	"explain":      "what is tested",
	"help":         "makes no container",
	"sig-proxy":    "the client's, not the container's",
	"volumes-from": "needs another container: borrow-volumes.txtar",
	"tty":          "the script says what it can't do; TestAScriptSaysWhatItCantDo",
	"root":         "of all commands; the tests set it by GOCKER_ROOT",
	"run-root":     "of all commands; the tests set it by GOCKER_RUN_ROOT",
}

func TestEachFlagOfRunIsExplained(t *testing.T) {
	out, err := exec.Command(shared.gocker, "__complete", "run", "-").Output() // cobra's own list
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, c := range explained {
		all.WriteString(" " + c.args)
	}
	help, err := exec.Command(shared.gocker, "run", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		name, ok := strings.CutPrefix(strings.Fields(line)[0], "--")
		name = strings.TrimSuffix(name, "=")
		if !ok || notExplained[name] != "" {
			continue
		}
		seen++
		forms := "--" + name
		if m := regexp.MustCompile(`(-\w), --` + name + `\b`).FindSubmatch(help); m != nil {
			forms += "|" + string(m[1])
		}
		if !regexp.MustCompile(` (` + forms + `)[ =]`).MatchString(all.String()) {
			t.Errorf("--%s: no case of explained has it: execute its printed script and compare", name)
		}
	}
	if seen < 30 {
		t.Errorf("cobra lists %d flags only:\n%s", seen, out)
	}
}

func TestAScriptSaysWhatItCantDo(t *testing.T) {
	e := newExplainer(t)
	script, err := e.command(exec.Command("sh", "-c", `exec "$GOCKER" run -t --explain $IMAGE`)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.ReplaceAll(string(script), "\n# ", " "); !strings.Contains(text, "With -t gocker opens a terminal") || strings.Contains(text, "--ctty") {
		t.Errorf("the script of -t:\n%s", script)
	}
}

// buildProbe returns the static program of e2e/probe: $PROBE, or built now.
var buildProbe = sync.OnceValues(func() (string, error) {
	if given := os.Getenv("PROBE"); given != "" {
		return filepath.Abs(given)
	}
	out := filepath.Join(shared.dir, "bin", "probe")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "gocker/e2e/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, text)
	}
	return out, nil
})

// TestAPrintedScriptMakesTheSameContainer executes what --explain prints, and the
// command itself, and compares what the command sees and what is seen of it.
func TestAPrintedScriptMakesTheSameContainer(t *testing.T) {
	e := newExplainer(t)
	for _, c := range explained {
		if shared.lane == "vm" && !c.vm {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			e.prepare(t)
			want := e.observe(t, exec.Command("sh", "-c", `exec "$GOCKER" run `+c.args), c.input)
			if strings.Contains(c.args, "--detach") {
				want = e.log(t)
			}
			e.clean(t)
			e.prepare(t)
			script, err := e.command(exec.Command("sh", "-c", `exec "$GOCKER" run --explain `+c.args)).Output()
			if err != nil {
				t.Fatalf("--explain: %v", err)
			}
			file := filepath.Join(e.home, "script")
			if err := os.WriteFile(file, script, 0o644); err != nil {
				t.Fatal(err)
			}
			got := e.observe(t, exec.Command("sh", file), c.input)
			if strings.Contains(c.args, "--rm") {
				if left, _ := os.ReadDir(filepath.Join(e.home, "root/containers")); len(left) > 0 {
					t.Errorf("the script leaves %v", left)
				}
			}
			e.clean(t)
			code := c.code
			if strings.Contains(want.text, "== end") {
				code = 42
			}
			if want.code != code || got.code != code {
				t.Errorf("exit status of the run %d, of the script %d, want %d\n%s%s", want.code, got.code, code, want.stderr, got.stderr)
			}
			if want.text != got.text {
				t.Errorf("the run and its script differ:\n%s\n%s", lineDifference(want.text, got.text), got.stderr)
			}
		})
	}
}

// explainer is a store with the images of the cases.
type explainer struct {
	home string
	env  []string
}

func newExplainer(t *testing.T) *explainer {
	t.Helper()
	probe, err := buildProbe()
	if err != nil {
		t.Fatal(err)
	}
	e := &explainer{home: shared.newHome()}
	dir := filepath.Join(e.home, "dir")
	for _, d := range []string{"root", "run", "dir/dir/sub", "dir/rootfs"} {
		if err := os.MkdirAll(filepath.Join(e.home, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	body, err := os.ReadFile(probe)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"file": "a file\n", "env": "FROM_FILE=yes\nHOME\n", "rootfs/probe": string(body)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	alone, err := fixture.Probe(probe)
	if err != nil {
		t.Fatal(err)
	}
	among, err := fixture.ProbeOnBusybox(&fixture.Source{}, probe)
	if err != nil {
		t.Fatal(err)
	}
	e.env = append(os.Environ(), "GOCKER_ROOT="+e.home+"/root", "GOCKER_RUN_ROOT="+e.home+"/run", "GOCKER="+shared.gocker,
		"DIR="+dir, "IMAGE="+shared.registry.addr+"/probe", "BUSYBOX="+shared.registry.addr+"/probe-on-busybox")
	if err := fixture.Push(context.Background(), shared.registry.addr+"/probe", alone); err != nil {
		t.Fatal(err)
	}
	if err := fixture.Push(context.Background(), shared.registry.addr+"/probe-on-busybox", among); err != nil {
		t.Fatal(err)
	}
	for _, image := range []string{"$IMAGE", "$BUSYBOX"} {
		if out, err := e.command(exec.Command("sh", "-c", `"$GOCKER" pull -q `+image)).CombinedOutput(); err != nil {
			t.Fatalf("pull: %v\n%s", err, out)
		}
	}
	t.Cleanup(func() {
		for _, leak := range leaks(e.home, nil) {
			t.Errorf("leak: %s", leak)
		}
		if err := clean(shared.gocker, e.home); err != nil {
			t.Error(err)
		}
	})
	return e
}

func (e *explainer) command(cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = e.env
	cmd.Dir = e.home
	return cmd
}

// prepare takes away what the other way of the same case has made on the host.
func (e *explainer) prepare(t *testing.T) {
	t.Helper()
	for _, path := range []string{"dir/cid", "dir/made here", "root/volumes"} {
		if err := os.RemoveAll(filepath.Join(e.home, path)); err != nil {
			t.Fatal(err)
		}
	}
}

// clean removes containers: those of gocker, and the directories of scripts,
// which gocker takes for rubbish.
func (e *explainer) clean(t *testing.T) {
	t.Helper()
	out, err := e.command(exec.Command("sh", "-c", `ids=$("$GOCKER" ps -aq) && [ -z "$ids" ] || "$GOCKER" rm -f $ids`)).CombinedOutput()
	if err != nil {
		t.Errorf("remove the containers: %v\n%s", err, out)
	}
}

// observation is what is seen of a container, without what differs by nature.
type observation struct {
	text   string
	stderr string
	code   int
}

// observe runs a command that makes a container. As soon as the probe in it has
// told all, it is looked at from outside, and asked to end.
func (e *explainer) observe(t *testing.T, cmd *exec.Cmd, input string) observation {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience())
	defer cancel()
	stopped := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stopped()
	e.command(cmd)
	// A run needs no terminal, and no group of processes that a test has.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stdin = strings.NewReader(input)
	cmd.WaitDelay = 5 * time.Second
	var o observation
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		text.WriteString(line)
		if line == "== end\n" {
			id, pid := e.running(t)
			text.WriteString(outside(t, id, pid))
			if err := unix.Kill(pid, unix.SIGTERM); err != nil {
				t.Error(err)
			}
		}
		if err != nil {
			break
		}
	}
	o.code = exitCode(cmd.Wait())
	o.stderr = stderr.String()
	o.text = normalise(text.String())
	return o
}

// running finds the probe by the only group of a container that has a process.
func (e *explainer) running(t *testing.T) (id string, pid int) {
	t.Helper()
	containers, err := os.ReadDir(filepath.Join(e.home, "root/containers"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		for _, top := range []string{"/sys/fs/cgroup/gocker", "/sys/fs/cgroup/unified/gocker"} {
			procs, err := os.ReadFile(filepath.Join(top, c.Name(), "cgroup.procs"))
			if err == nil && len(procs) > 0 {
				if _, err := fmt.Sscan(string(procs), &pid); err != nil {
					t.Fatal(err)
				}
				if n := strings.Count(string(procs), "\n"); n != 1 {
					t.Errorf("%d processes in the container", n)
				}
				return c.Name(), pid
			}
		}
	}
	t.Fatal("no container runs")
	return "", 0
}

// log is what a container in the background has printed, when it has ended.
func (e *explainer) log(t *testing.T) observation {
	t.Helper()
	var o observation
	err := poll(patience(), func() error {
		// The log is whole when its monitor has gone.
		if alive, err := os.ReadDir(filepath.Join(e.home, "run")); err != nil || len(alive) > 0 {
			return fmt.Errorf("%v still run: %w", alive, err)
		}
		out, err := e.command(exec.Command("sh", "-c", `"$GOCKER" inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.LogPath}}' $("$GOCKER" ps -aq)`)).Output()
		if err != nil {
			return err
		}
		var status, path string
		if _, err := fmt.Sscan(string(out), &status, &o.code, &path); err != nil || status != "exited" {
			return fmt.Errorf("%s: %w", out, err)
		}
		jq := exec.Command("jq", "-rj", ".log", path)
		text, err := jq.Output()
		o.text = normalise(string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// outside is what the host sees of a process: its namespaces as far as they are
// not the host's, its network, and what is set in its groups.
func outside(t *testing.T, id string, pid int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("== namespaces of its own\n")
	for _, kind := range []string{"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"} {
		fmt.Fprintln(&b, kind, !sameNamespace(pid, kind))
	}
	b.WriteString("== network\n")
	for _, args := range []string{"-j addr", "-j route", "-j -6 route"} {
		ip := exec.Command("nsenter", append([]string{"-t", fmt.Sprint(pid), "-n", "ip"}, strings.Fields(args)...)...)
		out, err := ip.CombinedOutput()
		if err != nil {
			t.Errorf("ip %s: %v\n%s", args, err, out)
		}
		b.Write(out)
	}
	exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	fmt.Fprintf(&b, "\n== program\n%s in %s\n", exe, cwd)
	b.WriteString("== groups\n")
	for _, top := range []string{"/sys/fs/cgroup/gocker", "/sys/fs/cgroup/*/gocker"} {
		dirs, _ := filepath.Glob(filepath.Join(top, id))
		for _, dir := range dirs {
			settings(&b, dir)
		}
	}
	return b.String()
}

// settings writes the files of a group that can be set. What counts use, lists
// processes or does something when it is written is no setting.
func settings(b *strings.Builder, dir string) {
	no := regexp.MustCompile(`(^|\.)(procs|tasks|threads|usage|usage_in_bytes|failcnt|kill|reclaim|peak|force_empty|event_control|reset_stats|max_usage_in_bytes|effective_cpus|effective_mems|pressure|memory_migrate)$|usage`)
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || info.IsDir() || no.MatchString(entry.Name()) {
			continue
		}
		if entry.Name() != "devices.list" && info.Mode()&0o600 != fs.FileMode(0o600) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			text = []byte(err.Error())
		}
		fmt.Fprintf(b, "%s: %s\n", filepath.Join(dir, entry.Name()), bytes.TrimSpace(text))
	}
}

var (
	hexName    = regexp.MustCompile(`\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b`)
	nsNumber   = regexp.MustCompile(`:\[\d+\]`)
	mountPeers = regexp.MustCompile(`(shared|master|propagate_from):(\d+)`)
	// What a bridge, an address and a cable's end are called depends on the store
	// and on the id.
	ownAddress  = regexp.MustCompile(`\b(172\.(1[6-9]|2\d|3[01])|192\.168|10\.2\d\d)\.\d+\.\d+\b|\b02(:[0-9a-f]{2}){5}\b`)
	otherEnd    = regexp.MustCompile(`"link_index":\d+`)
	hostMinutes = regexp.MustCompile(`"(valid|preferred)_life_time":\d+`)
)

// normalise replaces what differs between two containers that are the same: ids
// and the names that are made of them, and the numbers that the kernel gives out,
// by the order in which they come.
func normalise(text string) string {
	names, mounts, devices, peers, spaces, addresses := order{}, order{}, order{}, order{}, order{}, order{}
	var b strings.Builder
	section := ""
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "== "); ok {
			section = strings.TrimSpace(name)
		}
		line = hexName.ReplaceAllStringFunc(line, func(s string) string {
			return "ID" + names.of(s[:12]) // a short one is the beginning of a long one
		})
		line = ownAddress.ReplaceAllStringFunc(line, addresses.of)
		line = otherEnd.ReplaceAllString(line, `"link_index":N`)
		line = hostMinutes.ReplaceAllString(line, `"$1":TIME`)
		line = nsNumber.ReplaceAllStringFunc(line, spaces.of)
		if f := strings.Fields(line); section == "mountinfo" && len(f) > 6 {
			// Mounts of the whole machine come and go.
			f[0], f[1], f[2] = mounts.of(f[0]), mounts.of(f[1]), devices.of(f[2])
			line = mountPeers.ReplaceAllStringFunc(strings.Join(f, " "), func(s string) string {
				word, number, _ := strings.Cut(s, ":")
				return word + ":" + peers.of(number)
			}) + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// order numbers things as they come.
type order map[string]string

func (o order) of(s string) string {
	if _, ok := o[s]; !ok {
		o[s] = fmt.Sprint(len(o) + 1)
	}
	return o[s]
}

// lineDifference returns the lines that two texts do not share.
func lineDifference(want, got string) string {
	count := map[string]int{}
	for line := range strings.Lines(got) {
		count[line]++
	}
	var b strings.Builder
	for line := range strings.Lines(want) {
		if count[line]--; count[line] < 0 {
			b.WriteString("run:    " + line)
		}
	}
	for _, line := range slices.Sorted(keysAbove(count)) {
		b.WriteString("script: " + line)
	}
	if b.Len() == 0 {
		return "the same lines in another order:\n" + want + got
	}
	return b.String()
}

func keysAbove(count map[string]int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for line, n := range count {
			if n > 0 && !yield(line) {
				return
			}
		}
	}
}
