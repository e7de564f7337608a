package container

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestVolumesAreReadAsDockerReadsThem(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		value string
		want  Mount
		err   string
	}{
		{value: "/data", want: Mount{Type: "volume", Target: "/data"}},
		{value: "name:/data", want: Mount{Type: "volume", Source: "name", Target: "/data"}},
		{value: "name:/data:ro", want: Mount{Type: "volume", Source: "name", Target: "/data", ReadOnly: true}},
		{value: "name:/data:nocopy", want: Mount{Type: "volume", Source: "name", Target: "/data", NoCopy: true}},
		{value: "name:/data:ro,nocopy", want: Mount{Type: "volume", Source: "name", Target: "/data", ReadOnly: true, NoCopy: true}},
		{value: "/src:/data", want: Mount{Type: "bind", Source: "/src", Target: "/data", CreateSource: true}},
		{value: "/src/../x/:/data", want: Mount{Type: "bind", Source: "/x", Target: "/data", CreateSource: true}},
		{value: "/src:/data:rw", want: Mount{Type: "bind", Source: "/src", Target: "/data", CreateSource: true}},
		{value: "/src:/data:z,ro", want: Mount{Type: "bind", Source: "/src", Target: "/data", CreateSource: true, ReadOnly: true}},
		{value: "/src:/data:rshared", want: Mount{Type: "bind", Source: "/src", Target: "/data", CreateSource: true, Propagation: "rshared"}},
		{value: "/src:relative", want: Mount{Type: "bind", Source: "/src", Target: "relative", CreateSource: true}}, // refused later
		{value: "./src:/data", want: Mount{Type: "bind", Source: here + "/src", Target: "/data", CreateSource: true}},
		{value: ".:/data", want: Mount{Type: "bind", Source: here, Target: "/data", CreateSource: true}},
		{value: "a/b:/data", want: Mount{Type: "bind", Source: here + "/a/b", Target: "/data", CreateSource: true}},
		{value: "", err: "empty section between colons"},
		{value: ":", err: "empty section between colons"},
		{value: ":/data", err: "empty section between colons"},
		{value: "name:", err: "empty section between colons"},
		{value: "/src::ro", err: "empty section between colons"},
		{value: "/src:/data:", err: "empty section between colons"},
		{value: "/src:/data:fast", err: "invalid mode: fast"},
		{value: "/src:/data:ro,fast", err: "invalid mode: ro,fast"},
		{value: "/src:/data:ro,rw", err: "invalid mode: ro,rw"},
		{value: "/src:/data:ro,", err: "invalid mode: ro,"},
		{value: "/data:ro", err: "invalid volume specification: '/data:ro'"},
		{value: "name:/data:rslave", err: "field BindOptions must not be specified"},
		{value: "/src:/data:nocopy", err: "field VolumeOptions must not be specified"},
		{value: "a:b:c:d", err: "invalid volume specification: 'a:b:c:d'"},
	} {
		got, err := ParseVolume(c.value)
		checkParsed(t, c.value, got, c.want, err, c.err)
	}
}

func TestMountsAreReadAsDockerReadsThem(t *testing.T) {
	for _, c := range []struct {
		value string
		want  Mount
		err   string
	}{
		{value: "type=bind,source=/src,target=/data", want: Mount{Type: "bind", Source: "/src", Target: "/data"}},
		{value: "TYPE=Bind,src=/src,dst=/data", want: Mount{Type: "bind", Source: "/src", Target: "/data"}},
		{value: "type=bind,src=/src,destination=/data,readonly", want: Mount{Type: "bind", Source: "/src", Target: "/data", ReadOnly: true}},
		{value: "type=bind,src=/src,dst=/data,ro=false", want: Mount{Type: "bind", Source: "/src", Target: "/data"}},
		{value: "type=bind,src=/src,dst=/data,readonly=1", want: Mount{Type: "bind", Source: "/src", Target: "/data", ReadOnly: true}},
		{value: "type=bind,src=/src,dst=/data,bind-propagation=rslave", want: Mount{Type: "bind", Source: "/src", Target: "/data", Propagation: "rslave"}},
		{value: "type=bind,src=/src,dst=/data,bind-nonrecursive,bind-create-src", want: Mount{Type: "bind", Source: "/src", Target: "/data", NonRecursive: true, CreateSource: true}},
		{value: "type=bind,src=/src,dst=/data,bind-recursive=enabled,consistency=cached", want: Mount{Type: "bind", Source: "/src", Target: "/data"}},
		{value: "type=bind,src=/src,dst=/data,bind-recursive=disabled", want: Mount{Type: "bind", Source: "/src", Target: "/data", NonRecursive: true}},
		{value: "type=bind,src=/src,dst=/data,ro,bind-recursive=writable", want: Mount{Type: "bind", Source: "/src", Target: "/data", ReadOnly: true, ReadOnlyNonRecursive: true}},
		{value: "src=name,dst=/data,volume-driver=local,volume-label=a=b,volume-label=c,volume-opt=o=bind", want: Mount{Type: "volume", Source: "name", Target: "/data", Driver: "local", Labels: map[string]string{"a": "b", "c": ""}, DriverOptions: map[string]string{"o": "bind"}}},
		{value: "type=bind,src=/src,dst=/data,bind-recursive=writable", err: "option 'bind-recursive=writable' requires 'readonly'"},
		{value: "type=bind,src=/src,dst=/data,ro,bind-recursive=readonly", err: "requires 'bind-propagation=rprivate'"},
		{value: "type=bind,src=/src,dst=/data,bind-recursive=some", err: "invalid value for bind-recursive: some"},
		{value: `type=bind,"src=/a,b",dst=/data`, want: Mount{Type: "bind", Source: "/a,b", Target: "/data"}},
		{value: "dst=/data", want: Mount{Type: "volume", Target: "/data"}},
		{value: "type=volume,src=name,dst=/data,volume-nocopy", want: Mount{Type: "volume", Source: "name", Target: "/data", NoCopy: true}},
		{value: "src=name,dst=/data,volume-nocopy=false", want: Mount{Type: "volume", Source: "name", Target: "/data"}},
		{value: "type=tmpfs,dst=/t", want: Mount{Type: "tmpfs", Target: "/t"}},
		{value: "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=01770", want: Mount{Type: "tmpfs", Target: "/t", Options: []string{"size=1048576", "mode=1770"}}},
		{value: "", err: "target is required"},
		{value: "type=bind,src=/src", err: "target is required"},
		{value: "type=bind,dst=/data", err: `invalid mount config for type "bind": field Source must not be empty`},
		{value: "type=tmpfs,src=/src,dst=/t", err: `invalid mount config for type "tmpfs": field Source must not be specified`},
		{value: "type=npipe,dst=/data", err: `mount type "npipe" is not supported`},
		{value: "type=bind,src=/src,dst=/data,fast=1", err: "unexpected key 'fast' in 'fast=1'"},
		{value: "type=bind,src=/src,dst=/data,fast", err: "invalid field 'fast' must be a key=value pair"},
		{value: "type=bind,src=/src,dst=/data,ro=maybe", err: "invalid value for ro: maybe"},
		{value: "type=bind,src=/src,dst=/data,bind-propagation=up", err: "invalid value for bind-propagation: up"},
		{value: "dst=/data,volume-nocopy=maybe", err: "invalid value for volume-nocopy: maybe"},
		{value: "type=tmpfs,dst=/t,tmpfs-size=big", err: "invalid value for tmpfs-size: big"},
		{value: "type=tmpfs,dst=/t,tmpfs-mode=8", err: "invalid value for tmpfs-mode: 8"},
		{value: "type=bind,src=/src,dst=/t,tmpfs-size=1m", err: "cannot mix 'tmpfs-*' options with mount type 'bind'"},
		{value: "bind-propagation=shared,dst=/t", err: "cannot mix 'bind-*' options with mount type 'volume'"},
		{value: "type=bind,volume-nocopy,bind-propagation=shared,src=/a,dst=/t", err: "cannot mix 'volume-*' options with mount type 'bind'"},
		{value: `type=bind,"src`, err: "invalid mount"},
	} {
		got, err := ParseMount(c.value)
		checkParsed(t, c.value, got, c.want, err, c.err)
	}
}

func TestUlimitsAreReadAsDockerReadsThem(t *testing.T) {
	for _, c := range []struct {
		value string
		want  Ulimit
		err   string
	}{
		{value: "nofile=1024", want: Ulimit{Name: "nofile", Soft: 1024, Hard: 1024}},
		{value: "nofile=1024:2048", want: Ulimit{Name: "nofile", Soft: 1024, Hard: 2048}},
		{value: "core=0", want: Ulimit{Name: "core"}},
		{value: "memlock=-1", want: Ulimit{Name: "memlock", Soft: -1, Hard: -1}},
		{value: "memlock=0:-1", want: Ulimit{Name: "memlock", Soft: 0, Hard: -1}},
		{value: "nofile", err: "invalid ulimit argument: nofile"},
		{value: "files=1", err: "invalid ulimit type: files"},
		{value: "nofile=", err: "invalid ulimit value: nofile="},
		{value: "nofile=many", err: "invalid ulimit value: nofile=many"},
		{value: "nofile=1:2:3", err: "invalid ulimit value: nofile=1:2:3"},
		{value: "nofile=-2", err: "invalid ulimit value: nofile=-2"},
		{value: "nofile=2:1", err: "soft limit must be less than or equal to hard limit: 2 > 1"},
		{value: "nofile=-1:1", err: "soft limit must be less than or equal to hard limit: -1 > 1"},
	} {
		got, err := ParseUlimit(c.value)
		checkParsed(t, c.value, got, c.want, err, c.err)
	}
}

// checkParsed compares what was read, or else whether the error says wantErr.
func checkParsed[T any](t *testing.T, value string, got, want T, err error, wantErr string) {
	t.Helper()
	switch {
	case wantErr == "" && err != nil:
		t.Errorf("%q: %v", value, err)
	case wantErr == "" && !reflect.DeepEqual(got, want):
		t.Errorf("%q is read as %+v, want %+v", value, got, want)
	case wantErr != "" && (err == nil || !strings.Contains(err.Error(), wantErr)):
		t.Errorf("%q: error %v, want %q", value, err, wantErr)
	}
}
