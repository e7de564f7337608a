package main

import (
	_ "embed"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"gocker/cgroup"
	"gocker/container"

	"github.com/docker/go-units"
)

// pageSource is one page with its style and pictures in it; it loads nothing.
//
//go:embed explain.html
var pageSource string

// printPage writes a view as one HTML page.
func printPage(w io.Writer, v *container.View) error {
	t, err := template.New("page").Funcs(pageFuncs).Parse(pageSource)
	if err != nil {
		return err
	}
	for _, part := range t.Templates() {
		escape(part.Root)
	}
	return t.Execute(w, htmlPage{
		View: v, Title: strings.ReplaceAll(title(v), "   ", " · "), Walls: wallsPicture(v), Layers: layersPicture(v),
		Gauges: gaugesPicture(v), Network: networkPicture(v),
	})
}

type htmlPage struct {
	*container.View
	Title   string
	Walls   wallRows
	Layers  layerStack
	Gauges  []gauge
	Network networkDrawing
}

var pageFuncs = template.FuncMap{
	"join":  strings.Join,
	"mul":   func(a, b int) int { return a * b },
	"brief": briefID,
	"size":  func(n int64) string { return units.HumanSize(float64(n)) },
	"first": firstLine,
	"holds": func(t string) string { return namespaceHolds[t] },
	"layer": layerName,
	"short": shortDigest,
	"words": networkWords,
	"caps": func(c container.PrivilegesView) []capability {
		var all []capability
		for _, name := range c.Bounding {
			all = append(all, capability{name, slices.Contains(c.Effective, name)})
		}
		return all
	},
}

// capability is one that the container's processes can have; some do.
type capability struct {
	Name      string
	Effective bool
}

// escape makes every value that a template prints pass through the function
// html, so that no name which a container has chosen becomes a tag. All values
// of the page stand between tags or in quoted attributes. (Package html/template
// would do it too, and costs each start of gocker a twentieth of a millisecond.)
func escape(n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			escape(child)
		}
	case *parse.ActionNode:
		if len(n.Pipe.Decl) == 0 {
			n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{
				NodeType: parse.NodeCommand, Pos: n.Pos,
				Args: []parse.Node{parse.NewIdentifier("html").SetPos(n.Pos)},
			})
		}
	case *parse.IfNode:
		escape(n.List)
		escape(n.ElseList)
	case *parse.RangeNode:
		escape(n.List)
		escape(n.ElseList)
	case *parse.WithNode:
		escape(n.List)
		escape(n.ElseList)
	}
}

// The pictures are drawn in units of a CSS pixel, 760 wide, y downwards.

// wallRows is the host on the left, the container on the right, and a wall
// between them that is open where they share a namespace.
type wallRows struct {
	Height int
	Rows   []wallRow
}

type wallRow struct {
	container.NamespaceView
	Y int
}

func wallsPicture(v *container.View) wallRows {
	const top, row = 40, 40
	var p wallRows
	for i, n := range v.Namespaces {
		p.Rows = append(p.Rows, wallRow{n, top + i*row})
	}
	p.Height = top + len(v.Namespaces)*row + 10
	return p
}

// layerStack is a box for each layer, the lowest at the bottom, and a bar for
// its size beside it.
type layerStack struct {
	Height int
	Boxes  []layerBox
}

type layerBox struct {
	container.LayerView
	Index, Y, Height, Bar int
	Label                 string // "" where the box is too low for one
}

func layersPicture(v *container.View) layerStack {
	const top = 34
	n := len(v.Root.Layers)
	if n == 0 {
		return layerStack{}
	}
	height := max(5, min(36, 520/n))
	var largest int64 = 1
	for _, l := range v.Root.Layers {
		largest = max(largest, l.Size)
	}
	p := layerStack{Height: top + n*height + 6}
	for i, l := range v.Root.Layers {
		box := layerBox{LayerView: l, Index: i, Height: height - 2, Y: top + (n-1-i)*height}
		if box.Bar = int(l.Size * 190 / largest); l.Size > 0 {
			box.Bar = max(2, box.Bar)
		}
		if height >= 20 {
			box.Label = layerName(v, i)
		}
		p.Boxes = append(p.Boxes, box)
	}
	return p
}

// gauge is one limited resource: a bar that is as long as the limit and filled
// as far as it is used.
type gauge struct {
	What, Text string
	Y, Fill    int // of 758
	Limited    bool
	High       bool // nearly full
	Allowed    bool // what is filled may be used, rather than is
	Files      string
}

func gaugesPicture(v *container.View) []gauge {
	var all []gauge
	for _, what := range []string{"memory", "memory+swap", "swap", "processes"} {
		use, limit := findFile(v, what, cgroup.Use), findFile(v, what, cgroup.Limit)
		if use == nil && limit == nil {
			continue
		}
		g := gauge{What: what, Y: 8 + 74*len(all)}
		if use != nil {
			g.Text, g.Files = use.Meaning(), use.Name
		}
		switch {
		case limit == nil || limit.Unlimited:
			g.Text = strings.TrimPrefix(g.Text+", no limit", ", ")
		case use == nil:
			g.Limited, g.Text, g.Files = true, limit.Meaning(), limit.Name
		default:
			g.Limited = true
			part := use.Value / max(1, limit.Value)
			g.Fill, g.High = min(758, int(758*part)), part > 0.8
			g.Text = fmt.Sprintf("%s of %s, %.0f %%", use.Meaning(), strings.TrimPrefix(limit.Meaning(), "at most "), 100*part)
			g.Files += " / " + limit.Name
		}
		all = append(all, g)
	}
	return append(all, cpuGauge(v, 8+74*len(all))...)
}

// cpuGauge is as long as all CPUs together, and filled as far as the container
// may go.
func cpuGauge(v *container.View, y int) []gauge {
	limit, use := findFile(v, "CPU", cgroup.Limit), findFile(v, "CPU", cgroup.Use)
	if limit == nil && use == nil {
		return nil
	}
	cpus := runtime.NumCPU()
	g := gauge{What: "CPU", Y: y, Text: fmt.Sprintf("all of %d CPUs", cpus)}
	if limit != nil && !limit.Unlimited {
		g.Limited, g.Allowed, g.Fill = true, true, min(758, int(758*limit.Value/float64(cpus)))
		g.Text, g.Files = fmt.Sprintf("may take %.4g of %d CPUs", limit.Value, cpus), limit.Name
	}
	if use != nil {
		g.Text += "; used " + use.Meaning()
	}
	return []gauge{g}
}

func findFile(v *container.View, what, kind string) *cgroup.File {
	for _, p := range v.Cgroups {
		for i, f := range p.Files {
			if f.What == what && f.Kind == kind {
				return &p.Files[i]
			}
		}
	}
	return nil
}

// networkDrawing is the interfaces on the way out, in the namespaces where they
// are.
type networkDrawing struct {
	Width   int
	Boxes   []hopBox
	Areas   []area // the network namespaces behind the boxes
	Arrows  []arrow
	Out     int  // x of the world outside, 0 where there is no way
	Blocked bool // the host does not forward
}

type arrow struct {
	X       int // of its tip
	Blocked bool
}

type hopBox struct {
	X                  int
	Name, Kind, Detail string
}

type area struct {
	X, Width int
	Name     string
}

func networkPicture(v *container.View) networkDrawing {
	const box, gap, margin = 132, 36, 14
	n := v.Network
	d := networkDrawing{}
	x := margin
	add := func(b hopBox) {
		if len(d.Boxes) > 0 {
			d.Arrows = append(d.Arrows, arrow{X: x})
		}
		b.X = x
		d.Boxes = append(d.Boxes, b)
		x += box + gap
	}
	end := func(from int, name string) {
		if last := d.Boxes[len(d.Boxes)-1].X + box + margin; last > from {
			d.Areas = append(d.Areas, area{from, last - from, name})
		}
	}
	add(hopBox{Name: "processes", Kind: "", Detail: fmt.Sprintf("%d of them", len(v.Processes))})
	if n.Shared {
		for _, h := range n.Path {
			add(hopOf(h))
		}
		end(0, "the host's network namespace")
	} else {
		i := 0
		for ; i < len(n.Path) && n.Path[i].Where == "container"; i++ {
			add(hopOf(n.Path[i]))
		}
		if i == 0 {
			add(hopBox{Name: "lo", Kind: "loopback", Detail: "leads back to itself"})
		}
		end(0, "the container's network namespace")
		from := x - margin
		for ; i < len(n.Path); i++ {
			add(hopOf(n.Path[i]))
		}
		end(from, "the host's network namespace")
	}
	if len(n.Path) > 0 {
		// The host passes the packet on before the last of its interfaces.
		d.Blocked = !n.Shared && !n.Forwarding
		d.Arrows[len(d.Arrows)-1].Blocked = d.Blocked
		d.Arrows = append(d.Arrows, arrow{x, d.Blocked})
		d.Out = x
		x += 110
	}
	d.Width = max(760, x)
	return d
}

func hopOf(h container.HopView) hopBox {
	detail := "no address"
	for _, a := range h.Addresses {
		if !strings.HasPrefix(a, "fe80:") { // which each interface gives itself
			detail = a
			break
		}
	}
	return hopBox{Name: h.Name, Kind: h.Kind, Detail: detail}
}
