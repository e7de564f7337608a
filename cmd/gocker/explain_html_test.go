package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"gocker/cgroup"
	"gocker/container"
)

const hostile = `"><script>alert(1)</script><img src=x onerror='a&b'>`

// viewOf has a text wherever a container, an image or a user chooses one.
func viewOf(text string) *container.View {
	v := &container.View{
		ID: strings.Repeat("a", 64), Name: text, Image: text, Status: "running", Living: true, Pid: 7,
		Note:       text,
		Command:    container.CommandView{Args: []string{"sh", text}},
		Namespaces: []container.NamespaceView{{Type: "net", Inode: 5, Host: 6}, {Type: "uts", Inode: 7, Host: 7, Shared: true}},
		Root:       container.RootView{Type: "overlay", Layers: []container.LayerView{{Dir: "/" + text}, {Dir: text, Writable: true}}},
		Cgroups:    []cgroup.Place{{Version: 2, Dir: text, Files: []cgroup.File{{Name: text, Text: text, What: "memory", Kind: cgroup.Use, Value: 5}}}},
		Mounts:     []container.MountView{{Target: "/" + text, Source: text, Type: "ext4"}},
		Privileges: container.PrivilegesView{Bounding: []string{text}},
		Processes:  []container.ProcessView{{Args: []string{text, text}}},
		Checks:     container.Checks{Root: []string{"cat " + text}},
	}
	eth := container.InterfaceView{Name: text, Kind: "veth", Addresses: []string{text}}
	v.Network = container.NetworkView{
		Interfaces: []container.InterfaceView{eth},
		Routes:     []container.RouteView{{To: "default", Device: text}},
		Path:       []container.HopView{{Where: "container", InterfaceView: eth}, {Where: "host", InterfaceView: eth}},
	}
	return v
}

func pageOf(t *testing.T, v *container.View) string {
	t.Helper()
	var b bytes.Buffer
	if err := printPage(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestNoNameOnThePageBecomesATag(t *testing.T) {
	text := pageOf(t, viewOf(hostile))
	for _, tag := range []string{"<script", "<img", `"">`} {
		if strings.Contains(text, tag) {
			t.Errorf("the page has %s in it", tag)
		}
	}
	if n := strings.Count(text, "&lt;script&gt;"); n < 20 {
		t.Errorf("the page shows the hostile name %d times", n)
	}
}

func TestThePageLoadsNothing(t *testing.T) {
	loads := regexp.MustCompile(`(?i)<script|<link|<iframe|@import|\ssrc=|\shref=|url\([^#)]|https?:`)
	if found := loads.FindString(pageOf(t, viewOf("name"))); found != "" {
		t.Errorf("the page has %q in it", found)
	}
}

func TestThePageIsWellFormed(t *testing.T) {
	many := viewOf(hostile)
	many.Root.Layers = nil
	for i := range 127 {
		many.Root.Layers = append(many.Root.Layers, container.LayerView{ChainID: fmt.Sprintf("sha256:%064d", i), Size: int64(i * i)})
	}
	shared := viewOf(hostile)
	shared.Network.Shared, shared.Network.Path = true, shared.Network.Path[1:]
	for name, v := range map[string]*container.View{
		"a living one": viewOf(hostile), "of 127 layers": many, "on the host's network": shared,
		"nothing but a name": {ID: strings.Repeat("b", 64), Name: "x", Status: "exited"},
	} {
		text := pageOf(t, v)
		d := xml.NewDecoder(strings.NewReader(text))
		for {
			_, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
		}
		if regexp.MustCompile(`\b(width|height|y|viewBox)="[^"]*(-\d|NaN|<)`).MatchString(text) {
			t.Errorf("%s: a number of a picture is none, or negative", name)
		}
	}
}
