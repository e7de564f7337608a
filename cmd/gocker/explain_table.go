package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"gocker/cgroup"
	"gocker/container"

	"github.com/docker/go-units"
)

// printView writes the parts of a view one after the other, each with the
// commands that show the same.
func printView(w io.Writer, v *container.View) error {
	p := &page{w: w}
	p.head(v)
	for _, part := range []struct {
		title  string
		checks []string
		rows   func(*page, *container.View)
	}{
		{"NAMESPACES", v.Checks.Namespaces, (*page).namespaces},
		{"ROOT, from bottom to top", v.Checks.Root, (*page).root},
		{"CONTROL GROUPS", v.Checks.Cgroups, (*page).cgroups},
		{"MOUNTS", v.Checks.Mounts, (*page).mounts},
		{"PRIVILEGES", v.Checks.Privileges, (*page).privileges},
		{"NETWORK", v.Checks.Network, (*page).network},
		{"PROCESSES", v.Checks.Processes, (*page).processes},
	} {
		p.line("\n%s", part.title)
		p.table(v, part.rows)
		for _, check := range part.checks {
			p.line("  # %s", check)
		}
	}
	return p.err
}

// page writes lines until the first error, which it keeps.
type page struct {
	w   io.Writer
	err error
}

func (p *page) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// row writes the cells of a table's line.
func (p *page) row(cells ...string) {
	for i := range cells {
		cells[i] = printable(cells[i])
	}
	p.line("  %s", strings.Join(cells, "\t"))
}

// table aligns the rows that are written by a function.
func (p *page) table(v *container.View, rows func(*page, *container.View)) {
	t := tabwriter.NewWriter(p.w, 8, 1, 3, ' ', 0)
	inner := &page{w: t, err: p.err}
	rows(inner, v)
	if p.err = inner.err; p.err == nil {
		p.err = t.Flush()
	}
}

// printable shows what would command a terminal in the spelling of Go. A
// container chooses the names of its processes and mounts.
func printable(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

func (p *page) head(v *container.View) {
	p.line("%s", printable(title(v)))
	p.line("%s", printable("$ "+strings.Join(v.Command.Args, " ")))
	if v.Note != "" {
		p.line("%s", v.Note)
	}
}

// title names a container in a line.
func title(v *container.View) string {
	words := []string{}
	if v.Name != "" {
		words = append(words, v.Name)
	}
	if v.ID != "" {
		words = append(words, v.ID[:12])
	}
	words = append(words, v.Image, v.Status)
	if v.Living {
		words = append(words, "process "+strconv.Itoa(v.Pid))
	}
	return strings.Join(words, "   ")
}

func (p *page) namespaces(v *container.View) {
	if !v.Living {
		p.row("TYPE", "", "WHAT IS IN IT")
		for _, n := range v.Namespaces {
			p.row(n.Type, ownership(n), namespaceHolds[n.Type])
		}
		return
	}
	p.row("TYPE", "INODE", "HOST'S", "", "WHAT IS IN IT")
	for _, n := range v.Namespaces {
		p.row(n.Type, fmt.Sprint(n.Inode), fmt.Sprint(n.Host), ownership(n), namespaceHolds[n.Type])
	}
}

func ownership(n container.NamespaceView) string {
	if n.Shared {
		return "shared with the host"
	}
	return "its own"
}

// namespaceHolds says what each type of namespace is about. See namespaces(7).
var namespaceHolds = map[string]string{
	"cgroup": "the root of the control groups that it sees",
	"ipc":    "System V shared memory, semaphores, queues; POSIX queues",
	"mnt":    "the mount table",
	"net":    "interfaces, addresses, routes, ports, firewall",
	"pid":    "process numbers",
	"time":   "the clocks that count from the boot",
	"user":   "user and group numbers, and what capabilities are good for",
	"uts":    "the host name",
}

func (p *page) root(v *container.View) {
	p.row("LAYER", "SIZE", "CHAIN ID", "DIRECTORY")
	for i, l := range v.Root.Layers {
		p.row(layerName(v, i), units.HumanSize(float64(l.Size)), shortDigest(l.ChainID), l.Dir)
	}
}

// layerName is what a layer is in the stack.
func layerName(v *container.View, i int) string {
	l := v.Root.Layers[i]
	switch {
	case v.Root.Type != "overlay" && v.Root.ReadOnly:
		return "the directory itself, read-only"
	case v.Root.Type != "overlay":
		return "the directory itself, writable"
	case l.Writable && v.Root.ReadOnly:
		return "its own, read-only"
	case l.Writable:
		return "its own, writable"
	case l.ChainID == "":
		return "directory"
	}
	return fmt.Sprintf("image %d of %d", i+1, countLayers(v))
}

func countLayers(v *container.View) (n int) {
	for _, l := range v.Root.Layers {
		if l.ChainID != "" {
			n++
		}
	}
	return n
}

func shortDigest(digest string) string {
	_, hex, _ := strings.Cut(digest, ":")
	return hex[:min(12, len(hex))]
}

func (p *page) cgroups(v *container.View) {
	for _, place := range v.Cgroups {
		if len(place.Files) == 0 {
			continue
		}
		p.row(fmt.Sprintf("version %d", place.Version), "", place.Dir)
		for _, f := range place.Files {
			p.row("  "+f.Name, firstLine(f.Text), f.What+": "+f.Meaning())
		}
	}
	if !slices.ContainsFunc(v.Cgroups, func(p cgroup.Place) bool { return len(p.Files) > 0 }) {
		p.row("no limits")
	}
}

func firstLine(text string) string {
	first, _, more := strings.Cut(text, "\n")
	if more {
		first += " …"
	}
	return first
}

func (p *page) mounts(v *container.View) {
	p.row("ON", "TYPE", "FROM", "OPTIONS")
	for _, m := range v.Mounts {
		p.row(m.Target, m.Type, briefID(v, m.Source), m.Options)
	}
}

// briefID shortens the container's ID in a path: in full it is a screen wide.
func briefID(v *container.View, path string) string {
	if v.ID == "" {
		return path
	}
	return strings.ReplaceAll(path, v.ID, v.ID[:12]+"…")
}

func (p *page) privileges(v *container.View) {
	r := v.Privileges
	p.row("user", fmt.Sprintf("%d, group %d", r.UID, r.GID))
	if len(r.Groups) > 0 {
		p.row("groups", strings.Trim(fmt.Sprint(r.Groups), "[]"))
	}
	for _, set := range []struct {
		name string
		caps []string
	}{
		{"effective", r.Effective},
		{"permitted", r.Permitted},
		{"bounding", r.Bounding},
		{"inheritable", r.Inheritable},
		{"ambient", r.Ambient},
	} {
		p.capabilities(set.name, set.caps, r.Effective)
	}
	p.row("no new privileges", yesNo(r.NoNewPrivs))
	seccomp := r.Seccomp
	if r.Filters > 0 {
		seccomp += fmt.Sprintf(", %d of them", r.Filters)
	}
	p.row("seccomp", seccomp)
}

// capabilities writes a set, a few to a line; one that is like the effective
// one, which comes first, is told by that.
func (p *page) capabilities(name string, caps, effective []string) {
	if name != "effective" && len(caps) > 0 && slices.Equal(caps, effective) {
		p.row(name, "the same")
		return
	}
	if len(caps) == 0 {
		p.row(name, "none")
	}
	for few := range slices.Chunk(caps, 4) {
		p.row(name, strings.Join(few, " "))
		name = ""
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (p *page) network(v *container.View) {
	n := v.Network
	for _, line := range networkWords(v) {
		p.row(line)
	}
	if len(n.Interfaces) > 0 {
		p.row("INTERFACE", "KIND", "STATE", "MTU", "ADDRESSES")
	}
	for _, i := range n.Interfaces {
		p.row(i.Name, i.Kind, upDown(i.Up), strconv.Itoa(i.MTU), strings.Join(i.Addresses, " "))
	}
	if len(n.Routes) > 0 {
		p.row("ROUTE TO", "DEVICE", "BY WAY OF")
	}
	for _, r := range n.Routes {
		p.row(r.To, r.Device, r.Gateway)
	}
}

// networkWords tells the way out in sentences.
func networkWords(v *container.View) []string {
	n := v.Network
	switch {
	case n.Shared:
		return []string{"the host's network: its interfaces, addresses and ports"}
	case !v.Living && n.Mode != "none":
		return []string{"network " + n.Mode}
	case len(n.Path) == 0:
		return []string{"no way out: the only thing to talk to is the container itself"}
	}
	var hops []string
	for _, h := range n.Path {
		hops = append(hops, fmt.Sprintf("%s (%s's)", h.Name, h.Where))
	}
	forwarding := "the host does not forward (net.ipv4.ip_forward is 0)"
	if n.Forwarding {
		forwarding = "the host forwards (net.ipv4.ip_forward is 1)"
	}
	return []string{"the way out: " + strings.Join(hops, " → "), forwarding}
}

func upDown(up bool) string {
	if up {
		return "up"
	}
	return "down"
}

func (p *page) processes(v *container.View) {
	if !v.Living {
		p.row("none")
		return
	}
	p.row("HOST'S PID", "OWN PID", "PARENT", "STATE", "THREADS", "UID", "COMMAND")
	for _, r := range v.Processes {
		p.row(strconv.Itoa(r.Pid), strconv.Itoa(r.OwnPid), strconv.Itoa(r.Parent), r.State,
			strconv.Itoa(r.Threads), strconv.FormatUint(uint64(r.UID), 10), strings.Join(r.Args, " "))
	}
}
