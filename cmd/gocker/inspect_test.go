package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gocker/container"
)

func TestAContainerIsDescribedInDockersFields(t *testing.T) {
	ctr := testContainer()
	ctr.State.Pid = 77
	ctr.HostConfig.Binds = []string{"/srv:/srv"}
	ctr.HostConfig.Mounts = []container.Mount{
		{Type: "bind", Source: "/srv", Target: "/srv", CreateSource: true}, // of -v
		{Type: "bind", Source: "/etc", Target: "/e", ReadOnly: true, Propagation: "rslave"},
	}
	ctr.Mounts[0].Anonymous = true
	for _, c := range []struct{ template, want string }{
		{"{{.Id}}", strings.Repeat("c", 64)},
		{"{{.ID}}", strings.Repeat("c", 64)},
		{"{{.Name}}", "/web"},
		{"{{.Created}}", "2024-05-01T11:55:00Z"},
		{"{{.Path}} {{.Args}}", "sleep [1000]"},
		{"{{.Image}}", digestA},
		{"{{.State.Status}} {{.State.Running}} {{.State.Pid}}", "running true 77"},
		{"{{.State.StartedAt}} {{.State.FinishedAt}}", "2024-05-01T11:56:00Z 0001-01-01T00:00:00Z"},
		{"{{.HostConfig.NetworkMode}}", "none"},
		{"{{json .HostConfig.Binds}}", `["/srv:/srv"]`},
		{"{{json .HostConfig.Mounts}}", `[{"Type":"bind","Source":"/etc","Target":"/e","ReadOnly":true,"BindOptions":{"Propagation":"rslave"}}]`},
		{"{{range .Mounts}}{{.Destination}} {{end}}", "/data /srv "},
		{"{{json (index .Mounts 0)}}", `{"Type":"volume","Name":"` + strings.Repeat("d", 64) + `","Source":"/var/lib/x","Destination":"/data","Driver":"local","Mode":"","RW":false,"Propagation":""}`},
		{`{{index .Config.Labels "tier"}}`, "1"},
		{"{{.GraphDriver.Data.MergedDir}}", "/proc/77/root"},
		{"{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}", "none"},
	} {
		object, err := describeContainer(ctr, false)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := printOne(&out, c.template, object); err != nil || out.String() != c.want+"\n" {
			t.Errorf("%s: %q (%v), want %q", c.template, out.String(), err, c.want)
		}
	}
}

func TestWhatDoesNotRunHasNoMergedDirectory(t *testing.T) {
	ctr := testContainer()
	ctr.State = container.State{Status: container.Exited, ExitCode: 1, StartedAt: noon, FinishedAt: noon.Add(time.Nanosecond)}
	o, err := describeContainer(ctr, false)
	if err != nil {
		t.Fatal(err)
	}
	if dir, ok := o.GraphDriver.Data["MergedDir"]; ok || o.State.Running || o.State.FinishedAt != "2024-05-01T12:00:00.000000001Z" {
		t.Errorf("merged directory %q, state %+v", dir, o.State)
	}
}

func TestInspectPrintsWhatItFindsAndThenWhatIsMissing(t *testing.T) {
	c, out := testCLI(t)
	putContainer(t, "web", container.State{Status: container.Exited, ExitCode: 3, StartedAt: noon, FinishedAt: noon})
	for _, tc := range []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"inspect -f {{.Name}} web", 0, "/web\n", ""},
		{"inspect -f {{.Name}} nope web other", 1, "/web\n", "Error: No such object: nope\nError: No such object: other\n"},
		{"inspect -f {{.Nope}} web", 1, "\n", "template parsing error: template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\"\n"},
		{"inspect -f {{ web", 64, "", "template parsing error: template: :1: unclosed action\n"},
		{"inspect nope", 1, "[]\n", "Error: No such object: nope\n"},
		{"inspect NOPE", 1, "[]\n", "Error: No such object: NOPE\n"},
		{"inspect --type container nope", 1, "[]\n", "No such container: nope\n"},
		{"inspect --type image web", 1, "[]\n", "No such image: web:latest\n"},
		{"inspect --type volume web", 1, "[]\n", "get web: no such volume\n"},
		{"inspect --type node web", 1, "", "unknown type: \"node\": must be one of \"container\", \"image\", \"volume\"\n"},
		{"inspect -f {{.State.ExitCode}} " + strings.Repeat("e", 12), 0, "3\n", ""},
	} {
		out.reset()
		code := c.run(strings.Fields(tc.args))
		if code != tc.code || out.stdout() != tc.stdout || out.stderr() != tc.stderr {
			t.Errorf("%s: %d\n%q\n%q\nwant %d\n%q\n%q", tc.args, code, out.stdout(), out.stderr(), tc.code, tc.stdout, tc.stderr)
		}
	}
}

func TestInspectIndentsAsDockerDoes(t *testing.T) {
	c, out := testCLI(t)
	putContainer(t, "web", container.State{Status: container.Created})
	if code := c.run([]string{"inspect", "web"}); code != 0 {
		t.Fatal(out.stderr())
	}
	if want := "[\n    {\n        \"Id\": \"eeee"; !strings.HasPrefix(out.stdout(), want) {
		t.Errorf("begins with %.40q, want %q", out.stdout(), want)
	}
	if !strings.HasSuffix(out.stdout(), "\n    }\n]\n") {
		t.Error("does not end as a list of objects does")
	}
}

// printed is what a command has printed.
type printed struct{ out, err bytes.Buffer }

func (p *printed) reset()         { p.out.Reset(); p.err.Reset() }
func (p *printed) stdout() string { return p.out.String() }
func (p *printed) stderr() string { return p.err.String() }

// testCLI is gocker on empty directories.
func testCLI(t *testing.T) (*cli, *printed) {
	t.Helper()
	t.Setenv("GOCKER_ROOT", t.TempDir())
	t.Setenv("GOCKER_RUN_ROOT", t.TempDir())
	p := new(printed)
	return &cli{out: &p.out, err: &p.err}, p
}

// putContainer writes the files of a container that does not run. Its ID is all e.
func putContainer(t *testing.T, name string, state container.State) {
	t.Helper()
	id := strings.Repeat("e", 64)
	dir := filepath.Join(os.Getenv("GOCKER_ROOT"), "containers", id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(name, filepath.Join(dir, "name")); err != nil {
		t.Fatal(err)
	}
	record := testContainer().Record
	record.ID = id
	for file, v := range map[string]any{"state.json": state, "record.json": record} {
		b, err := json.Marshal(v)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
