package container

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestNamesAreDockers(t *testing.T) {
	for name, want := range map[string]bool{
		"ab": true, "a0": true, "0a": true, "a-b_c.d": true, "A_": true, strings.Repeat("a", 300): true,
		"": false, "a": false, "_a": false, "-a": false, ".a": false, "/ab": false, "a/b": false,
		"a b": false, "a:b": false, "äb": false, "aä": false, "..": false, "a\n": false,
	} {
		if got := validName(name); got != want {
			t.Errorf("%q valid: %t, want %t", name, got, want)
		}
	}
}

func TestTheCommandIsEntrypointThenCmd(t *testing.T) {
	none := []string{}
	for _, c := range []struct {
		name                              string
		imageEntry, imageCmd, entry, args []string
		want                              string
	}{
		{name: "the image's both", imageEntry: []string{"e"}, imageCmd: []string{"c"}, want: "e c"},
		{name: "the image's command", imageCmd: []string{"c", "d"}, want: "c d"},
		{name: "the image's entrypoint", imageEntry: []string{"e"}, want: "e"},
		{name: "arguments for the image's entrypoint", imageEntry: []string{"e"}, imageCmd: []string{"c"}, args: []string{"a"}, want: "e a"},
		{name: "arguments for the image's command", imageCmd: []string{"c"}, args: []string{"a", "b"}, want: "a b"},
		{name: "--entrypoint", imageEntry: []string{"e"}, imageCmd: []string{"c"}, entry: []string{"x"}, want: "x"},
		{name: "--entrypoint and arguments", imageEntry: []string{"e"}, imageCmd: []string{"c"}, entry: []string{"x"}, args: []string{"a"}, want: "x a"},
		{name: "--entrypoint '' and arguments", imageEntry: []string{"e"}, imageCmd: []string{"c"}, entry: none, args: []string{"a"}, want: "a"},
		{name: "--entrypoint '' alone", imageEntry: []string{"e"}, imageCmd: []string{"c"}, entry: none, want: "no command specified"},
		{name: "nothing", want: "no command specified"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{
				Image:      &Image{Config: v1.Config{Entrypoint: c.imageEntry, Cmd: c.imageCmd}},
				Entrypoint: c.entry, Config: Config{Cmd: c.args},
			}
			conf, err := o.config()
			got := strings.Join(append(slices.Clone(conf.Entrypoint), conf.Cmd...), " ")
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestWhatTheUserSaysHidesTheImages(t *testing.T) {
	image := v1.Config{
		Cmd: []string{"c"}, User: "app", WorkingDir: "/app", StopSignal: "SIGINT",
		Env: []string{"A=image", "B=image"}, Labels: map[string]string{"a": "image", "b": "image"},
		Volumes: map[string]struct{}{"/v": {}},
	}
	for _, c := range []struct {
		name       string
		user, want Config
	}{
		{
			name: "nothing is said",
			want: Config{
				Cmd: []string{"c"}, User: "app", WorkingDir: "/app", StopSignal: "SIGINT", Image: "name",
				Env: []string{"A=image", "B=image"}, Labels: map[string]string{"a": "image", "b": "image"},
				Volumes: map[string]struct{}{"/v": {}},
			},
		},
		{
			name: "all is said",
			user: Config{
				Cmd: []string{"x"}, User: "root", WorkingDir: "/", StopSignal: "SIGHUP", Hostname: "h",
				Env: []string{"B=user", "C=user"}, Labels: map[string]string{"b": "user", "c": "user"},
			},
			want: Config{
				Cmd: []string{"x"}, User: "root", WorkingDir: "/", StopSignal: "SIGHUP", Hostname: "h", Image: "name",
				Env: []string{"A=image", "B=user", "C=user"}, Labels: map[string]string{"a": "image", "b": "user", "c": "user"},
				Volumes: map[string]struct{}{"/v": {}},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Image: &Image{Name: "name", Config: image}, Config: c.user}
			got, err := o.config()
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			if image.Labels["b"] != "image" || image.Env[1] != "B=image" {
				t.Error("the image's own configuration was changed")
			}
		})
	}
}

func TestTheEnvironmentIsDockersThenTheImagesThenTheUsers(t *testing.T) {
	const usual = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, c := range []struct {
		name        string
		tty         bool
		image, user string
		want        string
	}{
		{name: "none", want: usual + " HOSTNAME=box HOME=/root"},
		{name: "a terminal", tty: true, want: usual + " HOSTNAME=box TERM=xterm HOME=/root"},
		{name: "the image's PATH", image: "PATH=/bin A=1", want: "PATH=/bin HOSTNAME=box A=1 HOME=/root"},
		{name: "the user's over the image's", image: "A=1 B=2", user: "A=3", want: usual + " HOSTNAME=box A=3 B=2 HOME=/root"},
		{name: "the last of two", user: "A=1 A=2", want: usual + " HOSTNAME=box A=2 HOME=/root"},
		{name: "HOME", user: "HOME=/x", want: usual + " HOSTNAME=box HOME=/x"},
		{name: "HOSTNAME and TERM", tty: true, user: "HOSTNAME=y TERM=vt100", want: usual + " HOSTNAME=y TERM=vt100 HOME=/root"},
		{name: "a name alone takes away", image: "A=1 B=2", user: "A PATH", want: "HOSTNAME=box B=2 HOME=/root"},
		{name: "a value with =", user: "A=b=c", want: usual + " HOSTNAME=box A=b=c HOME=/root"},
		{name: "an empty value", image: "A=1", user: "A=", want: usual + " HOSTNAME=box A= HOME=/root"},
		{name: "a name that begins another's", image: "AB=1", user: "A=2", want: usual + " HOSTNAME=box AB=1 A=2 HOME=/root"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := Config{Tty: c.tty, Env: mergeEnv(strings.Fields(c.image), strings.Fields(c.user))}
			if got := strings.Join(environment(&conf, "box", "/root"), " "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestWhatCantBeIsRefusedInDockersWords(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		o   Options
		err string
	}{
		{Options{}, ""},
		{Options{Name: "ok"}, ""},
		{Options{Name: "no/name"}, "Invalid container name (no/name), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"},
		{Options{HostConfig: HostConfig{Memory: 6 * mib}}, ""},
		{Options{HostConfig: HostConfig{Memory: 6*mib - 1}}, "Minimum memory limit allowed is 6MB"},
		{Options{HostConfig: HostConfig{MemorySwap: mib}}, "You should always set the Memory limit when using Memoryswap limit"},
		{Options{HostConfig: HostConfig{Memory: 8 * mib, MemorySwap: 7 * mib}}, "Minimum memoryswap limit should be larger than memory limit"},
		{Options{HostConfig: HostConfig{Memory: 8 * mib, MemorySwap: -1}}, ""},
		{Options{HostConfig: HostConfig{Memory: 8 * mib, MemoryReservation: 9 * mib}}, "Minimum memory limit can not be less than memory reservation limit"},
		{Options{HostConfig: HostConfig{NanoCpus: 1e7}}, ""},
		{Options{HostConfig: HostConfig{NanoCpus: 1e7 - 1}}, "range of CPUs is from 0.01 to"},
		{Options{HostConfig: HostConfig{NanoCpus: 1e15}}, "range of CPUs is from 0.01 to"},
		{Options{HostConfig: HostConfig{NanoCpus: -1}}, "range of CPUs is from 0.01 to"},
		{Options{HostConfig: HostConfig{NetworkMode: "nowhere"}}, "network nowhere not found"},
		{Options{HostConfig: HostConfig{ShmSize: -1}}, "SHM size can not be less than 0"},
		{Options{Config: Config{WorkingDir: "here"}}, "the working directory 'here' is invalid, it needs to be an absolute path"},
		{Options{Config: Config{Hostname: strings.Repeat("h", 65)}}, "invalid hostname"},
		{Options{HostConfig: HostConfig{OomScoreAdj: -1000}}, ""},
		{Options{HostConfig: HostConfig{OomScoreAdj: -1001}}, "Invalid value -1001, range for oom score adj is [-1000, 1000]"},
		{Options{HostConfig: HostConfig{NanoCpus: 1e9, CpuQuota: 50000}}, "Conflicting options: Nano CPUs and CPU Quota cannot both be set"},
		{Options{HostConfig: HostConfig{CpuPeriod: 999}}, "CPU cfs period can not be less than 1ms"},
		{Options{HostConfig: HostConfig{CpuPeriod: 1000, CpuQuota: 1000}}, ""},
		{Options{HostConfig: HostConfig{CpuQuota: 999}}, "CPU cfs quota can not be less than 1ms"},
		{Options{HostConfig: HostConfig{UTSMode: "host"}}, ""},
		{Options{HostConfig: HostConfig{UTSMode: "private"}}, "--uts: invalid UTS mode"},
		{Options{HostConfig: HostConfig{UTSMode: "host"}, Config: Config{Domainname: "example.org"}}, "kernel.domainname"},
		{Options{HostConfig: HostConfig{CgroupnsMode: "private"}}, ""},
		{Options{HostConfig: HostConfig{CgroupnsMode: "box"}}, "--cgroupns: invalid CGROUP mode"},
		{Options{HostConfig: HostConfig{Without: []string{wallIPC}, Sysctls: map[string]string{"kernel.sem": "1"}}}, "sysctl \"kernel.sem\" is not allowed in the hosts ipc namespace"},
		{Options{HostConfig: HostConfig{Annotations: map[string]string{annotation: "net"}}}, "it is gocker's own"},
		{security("no-new-privileges", "no-new-privileges:false", "systempaths=unconfined", "seccomp=unconfined", "apparmor:unconfined", "label=disable"), ""},
		{security("no-new-privileges=perhaps"), "invalid --security-opt 2: \"no-new-privileges=perhaps\""},
		{security("seccomp"), "Invalid --security-opt: \"seccomp\""},
		{security("label=type:t"), "--security-opt label=type:t: not supported"},
		{security("unknown=1"), "invalid --security-opt 2: \"unknown=1\""},
		{mounting("here"), "invalid mount path: 'here' mount path must be absolute"},
		{mounting("/a/.."), "destination can't be '/'"},
		{mounting("/a", "/b"), ""},
		{mounting("/a", "/b/../a"), "Duplicate mount point: /a"},
	} {
		if c.o.HostConfig.NetworkMode == "" {
			c.o.HostConfig.NetworkMode = "none"
		}
		err := c.o.validate()
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%+v: error %v, want %q", c.o, err, c.err)
		}
	}
}

func security(opts ...string) Options { return Options{HostConfig: HostConfig{SecurityOpt: opts}} }

func mounting(targets ...string) (o Options) {
	for _, target := range targets {
		o.HostConfig.Mounts = append(o.HostConfig.Mounts, Mount{Type: "volume", Target: target})
	}
	return o
}
