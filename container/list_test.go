package container

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAFilterChoosesContainers(t *testing.T) {
	store := listedStore(t)
	for _, c := range []struct{ filter, want string }{
		{"", "new up ended old"},
		{"name=end", "ended"},
		{"name=/end", "ended"},
		{"name=^u", "up"},
		{"name=d$", "ended old"},
		{"name=^up$ name=^old$", "up old"},
		{"id=^cc", "up"},
		{"id=c", "up"},
		{"label=role", "up ended"},
		{"label=role=db", "up"},
		{"label=role label=tier", "up"},
		{"label=nope", ""},
		{"status=running", "up"},
		{"status=exited status=created", "new ended old"},
		{"status=paused", ""},
		{"exited=3", "ended"},
		{"exited=0", "old"},
		{"exited=127", ""},
		{"exited=3 exited=0", "ended old"},
		{"ancestor=base", "up ended old"},
		{"ancestor=built", "ended"},
		{"ancestor=same-layers", "ended"}, // built upon its layers; base is another image
		{"ancestor=nope", ""},
		{"ancestor=nope ancestor=built", "ended"},
		{"before=up", "ended old"},
		{"since=ended", "new up"},
		{"since=old before=new", "up ended"},
		{"volume=data", "up"},
		{"volume=/srv", "ended"},
		{"volume=/inside", "up ended"},
		{"volume=/var/lib/data", ""},
		{"network=none", "new ended old"},
		{"network=host", "up"},
		{"health=none", "new up ended old"},
		{"health=healthy", ""},
		{"is-task=true", ""},
		{"is-task=false name=up", "up"},
	} {
		if got := list(t, store, strings.Fields(c.filter)...); got != c.want {
			t.Errorf("%q lists %q, want %q", c.filter, got, c.want)
		}
	}
}

func TestOnlyAStatusAsksForWhatDoesNotRun(t *testing.T) {
	store := listedStore(t)
	for filter, want := range map[string]bool{"status=exited": true, "exited=0": false, "name=up": false, "since=up": false} {
		f, err := store.ParseFilter([]string{filter}, testImage)
		if err != nil || f.AnyState != want {
			t.Errorf("%s asks for any state: %v (%v), want %v", filter, f.AnyState, err, want)
		}
	}
}

func TestAConditionThatMakesNoSenseIsNamed(t *testing.T) {
	store := listedStore(t)
	for filter, want := range map[string]string{
		"nope=1":       "invalid filter 'nope'",
		"status=up":    "invalid filter 'status=up'",
		"exited=three": "invalid filter 'exited=three'",
		"health=well":  "invalid filter 'health=well'",
		"is-task=x":    "invalid filter 'is-task=x'",
		"name=[":       "invalid filter 'name=[': error parsing regexp: missing closing ]: `[`",
		"since=nope":   "No such container: nope",
		"before=nope":  "No such container: nope",
	} {
		if _, err := store.ParseFilter([]string{filter}, testImage); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", filter, err, want)
		}
	}
	if _, err := store.ParseFilter([]string{"since=nope"}, testImage); !errors.Is(err, ErrNotFound) {
		t.Errorf("since=nope: %v is not ErrNotFound", err)
	}
}

// testImage knows three images: built is base and a layer, same-layers is base
// with another configuration.
func testImage(name string) (*Image, bool) {
	i, ok := map[string]*Image{
		"base":        {ID: "sha256:1", Layers: []string{"a", "b"}},
		"built":       {ID: "sha256:2", Layers: []string{"a", "b", "c"}},
		"same-layers": {ID: "sha256:3", Layers: []string{"a", "b"}},
	}[name]
	return i, ok
}

// listedStore has four containers: new, up, ended and old.
func listedStore(t *testing.T) *Store {
	t.Helper()
	s := &Store{Root: t.TempDir(), RunRoot: t.TempDir()}
	noon := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	base, built := []string{"a", "b"}, []string{"a", "b", "c"}
	for i, c := range []*Container{
		{
			Name: "old", Record: Record{ID: id("aa"), ImageID: "sha256:1", Layers: base},
			State: State{Status: Exited, StartedAt: noon},
		},
		{
			Name: "ended", Record: Record{
				ID: id("bb"), ImageID: "sha256:2", Layers: built,
				Config: Config{Labels: map[string]string{"role": "web"}},
				Mounts: []MountPoint{{Type: "bind", Source: "/srv", Destination: "/inside"}},
			},
			State: State{Status: Exited, ExitCode: 3, StartedAt: noon},
		},
		{
			Name: "up", Record: Record{
				ID: id("cc"), ImageID: "sha256:1", Layers: base,
				Config:     Config{Labels: map[string]string{"role": "db", "tier": "1"}},
				HostConfig: HostConfig{NetworkMode: "host"},
				Mounts:     []MountPoint{{Type: "volume", Name: "data", Source: "/var/lib/data", Destination: "/inside"}},
			},
			State: State{Status: Running, StartedAt: noon},
		},
		{
			Name: "new", Record: Record{ID: id("dd"), Rootfs: "/tree"},
			State: State{Status: Created, ExitCode: 127},
		},
	} {
		c.Created = noon.Add(time.Duration(i) * time.Second)
		if c.HostConfig.NetworkMode == "" {
			c.HostConfig.NetworkMode = "none"
		}
		put(t, s, c)
	}
	return s
}

func id(digits string) string { return digits + strings.Repeat("0", 62) }

// put writes what makes a container that can be listed.
func put(t *testing.T, s *Store, c *Container) {
	t.Helper()
	dir := s.handle(c.ID).dir
	if err := errors.Join(
		os.MkdirAll(dir, 0o755),
		os.MkdirAll(s.handle(c.ID).runDir, 0o755), // one that runs has a monitor
		os.Symlink(c.Name, filepath.Join(dir, "name")),
		writeJSON(filepath.Join(dir, "state.json"), &c.State, false),
		writeJSON(filepath.Join(dir, "record.json"), &c.Record, false),
	); err != nil {
		t.Fatal(err)
	}
}

// list returns the names of those that a filter lists.
func list(t *testing.T, s *Store, conditions ...string) string {
	t.Helper()
	f, err := s.ParseFilter(conditions, testImage)
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range slices.DeleteFunc(all, func(c *Container) bool { return !f.Match(c) }) {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}
