package container

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestWallsAreLeftOutByName(t *testing.T) {
	for _, c := range []struct{ values, want, err string }{
		{"", "", ""},
		{"pid", "pid", ""},
		{"uts pid uts", "pid uts", ""},
		{"mount", "mount pivot_root", ""},
		{"pivot_root mount", "mount pivot_root", ""},
		{"pivot_root", "pivot_root", ""},
		{"user", "", `"user"`},
		{"pid ALL", "", "choose from pid, mount, uts"},
	} {
		got, err := ParseWithout(strings.Fields(c.values))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: error %v, want %q", c.values, err, c.err)
			}
			continue
		}
		if err != nil || !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%q: got %q, %v; want %q", c.values, got, err, c.want)
		}
	}
}

func TestWallsThatHoldEachOtherAreNotLeftOutTogether(t *testing.T) {
	for _, c := range []struct {
		without string
		o       Options
		err     string
	}{
		{"mount pivot_root", Options{}, ""},
		{"mount pivot_root", Options{HostConfig: HostConfig{Privileged: true}}, "could unmount the host's filesystems"},
		{"mount pivot_root", Options{HostConfig: HostConfig{CapAdd: []string{"sys_admin"}}}, "could unmount the host's filesystems"},
		{"mount pivot_root", Options{HostConfig: HostConfig{CapAdd: []string{"all"}}}, "could unmount the host's filesystems"},
		{"mount pivot_root caps", Options{}, "could unmount the host's filesystems"},
		{"mount pivot_root", Options{HostConfig: HostConfig{CapAdd: []string{"NET_ADMIN"}}}, ""},
		{"uts", Options{HostConfig: HostConfig{CapAdd: []string{"SYS_ADMIN"}}}, ""},
		{"uts", Options{Config: Config{Hostname: "box"}}, "conflicting options: hostname"},
		{"net", Options{HostConfig: HostConfig{NetworkMode: "none"}}, "conflicting options: --network none"},
		{"net", Options{HostConfig: HostConfig{NetworkMode: "host"}}, ""},
		{"caps", Options{HostConfig: HostConfig{CapDrop: []string{"CHOWN"}}}, "conflicting options: --cap-drop"},
		{"caps", Options{HostConfig: HostConfig{CapAdd: []string{"CHOWN"}}}, ""},
		{"overlay", Options{}, "needs --rootfs"},
		{"overlay", Options{Rootfs: "/srv"}, ""},
	} {
		c.o.HostConfig.Without = strings.Fields(c.without)
		if c.o.HostConfig.NetworkMode == "" {
			c.o.HostConfig.NetworkMode = "none"
		}
		err := c.o.validate()
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("without %s, %+v: error %v, want %q", c.without, c.o, err, c.err)
		}
	}
}

func TestTheBundleSaysWhichWallsAreLeftOut(t *testing.T) {
	store := planStore(t, t.TempDir())
	o := Options{Image: &Image{Name: "image", Layers: planLayers}, Config: Config{Cmd: []string{"sh"}}}
	o.HostConfig = HostConfig{NetworkMode: "none", Without: []string{"uts", "pivot_root"}}
	_, spec, warnings, err := store.prepare(o)
	if err != nil {
		t.Fatal(err)
	}
	if got := spec.Annotations["gocker.without"]; got != "uts,pivot_root" {
		t.Errorf("annotation %q", got)
	}
	if spec.Hostname != "" || spec.has(specs.UTSNamespace) || !spec.has(specs.PIDNamespace) {
		t.Errorf("host name %q, namespaces %v", spec.Hostname, spec.Linux.Namespaces)
	}
	if !spec.lacks(wallUTS) || !spec.lacks(wallPivot) || spec.lacks(wallPID) {
		t.Error("the spec does not lack what its annotation says")
	}
	if len(warnings) != 2 || !strings.HasPrefix(warnings[0], "UNSAFE: without uts ") {
		t.Errorf("warnings %q", warnings)
	}
}

// A root that is still mounted on the host may have the user's directories
// below it.
func TestAContainerIsNotRemovedWithItsMounts(t *testing.T) {
	c := &Container{dir: t.TempDir()}
	mine := filepath.Join(t.TempDir(), "mine")
	for _, dir := range []string{c.rootfs(), mine} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount(mine, c.rootfs(), "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(c.rootfs(), unix.MNT_DETACH)
	if err := os.WriteFile(filepath.Join(c.rootfs(), "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := c.delete(); err == nil {
		t.Error("a container was removed whose root is mounted")
	}
	if _, err := os.Stat(filepath.Join(mine, "file")); err != nil {
		t.Error(err)
	}
}
