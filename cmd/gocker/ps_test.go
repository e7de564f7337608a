package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"gocker/container"
)

var noon = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

func TestAStatusSaysWhatAndForHowLong(t *testing.T) {
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	for _, c := range []struct {
		state container.State
		want  string
	}{
		{container.State{Status: container.Created}, "Created"},
		{container.State{Status: container.Created, ExitCode: 127, Error: "no such file"}, "Created"},
		{container.State{Status: container.Running, StartedAt: ago(0)}, "Up Less than a second"},
		{container.State{Status: container.Running, StartedAt: ago(-time.Hour)}, "Up Less than a second"}, // the clock was set back
		{container.State{Status: container.Running, StartedAt: ago(time.Second)}, "Up 1 second"},
		{container.State{Status: container.Running, StartedAt: ago(3 * time.Minute)}, "Up 3 minutes"},
		{container.State{Status: container.Running, StartedAt: ago(time.Minute)}, "Up About a minute"},
		{container.State{Status: container.Exited, StartedAt: ago(3 * time.Hour), FinishedAt: ago(2 * time.Hour)}, "Exited (0) 2 hours ago"},
		{container.State{Status: container.Exited, ExitCode: 137, StartedAt: ago(90 * time.Minute), FinishedAt: ago(time.Hour)}, "Exited (137) About an hour ago"},
	} {
		if got := statusText(c.state, noon); got != c.want {
			t.Errorf("%+v: %q, want %q", c.state, got, c.want)
		}
	}
}

func TestACommandIsShownQuotedAndCut(t *testing.T) {
	for _, c := range []struct {
		path, args string // arguments are parted by |
		noTrunc    bool
		want       string
	}{
		{"sleep", "1000", false, `"sleep 1000"`},
		{"true", "", false, `"true"`},
		{"sh", "-c|echo hello >/x; exit 3", false, `"sh -c 'echo hello >…"`},
		{"sh", "-c|echo hello >/x; exit 3", true, `"sh -c 'echo hello >/x; exit 3'"`},
		{"12345678901234567890", "", false, `"12345678901234567890"`},
		{"123456789012345678901", "", false, `"1234567890123456789…"`},
		{"ééééééééééééééééééééé", "", false, `"ééééééééééééééééééé…"`},
		{"a\nb", "", false, `"a\nb"`},
	} {
		ctr := testContainer()
		ctr.Path, ctr.Args = c.path, strings.FieldsFunc(c.args, func(r rune) bool { return r == '|' })
		if got := testRowOf(t, psView{noTrunc: c.noTrunc}, ctr).Command; got != c.want {
			t.Errorf("%s %q: %s, want %s", c.path, c.args, got, c.want)
		}
	}
}

func TestAnImageIsShownByTheNameThatItStillHas(t *testing.T) {
	names := map[string]string{
		"alpine": digestA, "docker.io/library/alpine:3": digestA, "localhost:5000/x@" + digestB: digestA,
		"aaaa": digestA, digestA: digestA, "alpine:3@" + digestB: digestA, "aaaaaaaaaaaa": digestA,
		"moved": digestB,
	}
	for _, c := range []struct {
		name    string
		noTrunc bool
		want    string
	}{
		{"alpine", false, "alpine"},
		{"docker.io/library/alpine:3", false, "alpine:3"},
		{"docker.io/library/alpine:3", true, "docker.io/library/alpine:3"},
		{"localhost:5000/x@" + digestB, false, "localhost:5000/x"},
		{"localhost:5000/x@" + digestB, true, "localhost:5000/x@" + digestB},
		{"alpine:3@" + digestB, false, "alpine:3"},
		{"aaaa", false, "aaaa"},
		{"aaaaaaaaaaaa", false, "aaaaaaaaaaaa"},
		{digestA, false, "aaaaaaaaaaaa"},
		{"moved", false, "aaaaaaaaaaaa"},
		{"gone", false, "aaaaaaaaaaaa"},
		{"gone", true, digestA},
		{"", false, "<no image>"},
	} {
		ctr := testContainer()
		ctr.Image, ctr.ImageID = c.name, digestA
		view := psView{noTrunc: c.noTrunc, imageID: func(name string) string { return names[name] }}
		if got := view.image(ctr); got != c.want {
			t.Errorf("%q (--no-trunc %v): %q, want %q", c.name, c.noTrunc, got, c.want)
		}
	}
}

func TestARowHasDockersFields(t *testing.T) {
	ctr := testContainer()
	for _, c := range []struct{ template, want string }{
		{"{{.ID}}", "cccccccccccc"},
		{"{{.Names}}", "web"},
		{"{{.Image}}", "alpine"},
		{"{{.Command}}", `"sleep 1000"`},
		{"{{.RunningFor}}", "5 minutes ago"},
		{"{{.State}}", "running"},
		{"{{.Status}}", "Up 4 minutes"},
		{"{{.Ports}}", ""},
		{"{{.Size}}", "0B"},
		{"{{.Labels}}", "com.example.role=db,tier=1"},
		{`{{.Label "com.example.role"}}`, "db"},
		{`{{.Label "nope"}}`, ""},
		{"{{.Mounts}}", "dddddddddddddd…,/srv"},
		{"{{.LocalVolumes}}", "1"},
		{"{{.Networks}}", "none"},
		{"{{.Platform}}", "linux/amd64"},
		{"{{.HealthStatus}}", ""},
		{`table {{.Names}}\t{{.Label "com.example.role"}}\t{{.Networks}}`, "NAMES     ROLE      NETWORKS\nweb       db        none"},
		{
			"",
			"CONTAINER ID   IMAGE     COMMAND        CREATED         STATUS         PORTS     NAMES\n" +
				"cccccccccccc   alpine    \"sleep 1000\"   5 minutes ago   Up 4 minutes             web",
		},
	} {
		var out bytes.Buffer
		rows := []psRow{testRowOf(t, psView{}, ctr)}
		err := printRows(&out, psFormat(psFlags{format: c.template}), rowFormat{table: psTable(false), headers: psHeaders}, rows)
		if err != nil || out.String() != c.want+"\n" {
			t.Errorf("%s: %q (%v), want %q", c.template, out.String(), err, c.want)
		}
	}
}

func TestRawPrintsAFieldALine(t *testing.T) {
	var out bytes.Buffer
	row := psRow{ID: "c", Image: "i", Command: `"x"`, CreatedAt: "then", State: "running", Status: "Up", Names: "n", Labels: "l=1", Size: "1B"}
	if err := printRows(&out, psFormat(psFlags{format: "raw", size: true}), rowFormat{}, []psRow{row}); err != nil {
		t.Fatal(err)
	}
	want := "container_id: c\nimage: i\ncommand: \"x\"\ncreated_at: then\nstate: running\nstatus: Up\nnames: n\nlabels: l=1\nports:\nsize: 1B\n\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

func TestASizeIsDockersPairOfNumbers(t *testing.T) {
	for _, c := range []struct {
		written, total int64
		want           string
	}{
		{0, 0, "0B"},
		{12, 1_200_012, "12B (virtual 1.2MB)"},
		{6, 1_984_138, "6B (virtual 1.98MB)"},
	} {
		if got := sizeText(c.written, c.total); got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.written, c.total, got, c.want)
		}
	}
}

func TestAFilterFlagIsKeyAndValue(t *testing.T) {
	var f filterFlag
	if err := f.Set(" Name = web "); err != nil || !slices.Equal(f, filterFlag{"name=web"}) {
		t.Errorf("got %q, %v", f, err)
	}
	if err := f.Set("name"); err == nil || err.Error() != "bad format of filter (expected name=value)" {
		t.Errorf("got %v", err)
	}
}

// testContainer has been running for four minutes at noon.
func testContainer() *container.Container {
	return &container.Container{
		Name: "web",
		Record: container.Record{
			ID: strings.Repeat("c", 64), Created: noon.Add(-5 * time.Minute), Image: "alpine", ImageID: digestA,
			Platform: "linux/amd64", Path: "sleep", Args: []string{"1000"},
			Config:     container.Config{Labels: map[string]string{"tier": "1", "com.example.role": "db"}},
			HostConfig: container.HostConfig{NetworkMode: "none"},
			Mounts: []container.MountPoint{
				{Type: "volume", Name: strings.Repeat("d", 64), Source: "/var/lib/x", Driver: "local", Destination: "/data"},
				{Type: "bind", Source: "/srv", Destination: "/srv"},
			},
		},
		State: container.State{Status: container.Running, StartedAt: noon.Add(-4 * time.Minute)},
	}
}

// testRowOf is the row at noon, when every name stands for the container's image.
func testRowOf(t *testing.T, v psView, ctr *container.Container) psRow {
	t.Helper()
	v.now = noon
	if v.imageID == nil {
		v.imageID = func(string) string { return ctr.ImageID }
	}
	row, err := v.row(ctr)
	if err != nil {
		t.Fatal(err)
	}
	return row
}
