package container

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"gocker/cgroup"
	"gocker/layers"
)

// MountView is a line of the mount table. See proc_pid_mountinfo(5).
type MountView struct {
	Target      string // as the container sees it
	Type        string
	Source      string // with the directory of it in brackets where that is not its root
	Options     string // of this mount
	Super       string // of the filesystem
	Propagation string // "private", "shared:1", …
}

// readMounts reads the mount table of a process, and from its first line what
// the root is made of.
func (v *View) readMounts(p *proc, c *Container) error {
	f, err := p.open("mountinfo")
	if err != nil {
		return err
	}
	defer f.Close()
	if v.Mounts, err = parseMountinfo(f); err != nil {
		return err
	}
	for _, m := range v.Mounts {
		if m.Target == "/" { // the last one is on top
			v.Root = rootOf(m, c.layersDir)
		}
	}
	if v.Root.Type != "overlay" {
		v.Root.Layers = []LayerView{{Dir: c.Rootfs, Writable: !v.Root.ReadOnly}}
	}
	return v.Root.sizes(c)
}

// parseMountinfo reads /proc/<pid>/mountinfo.
func parseMountinfo(r io.Reader) ([]MountView, error) {
	var all []MountView
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20) // an overlay of 127 layers has a long line
	for lines.Scan() {
		m, err := parseMountLine(lines.Text())
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, lines.Err()
}

func parseMountLine(line string) (MountView, error) {
	left, right, ok := strings.Cut(line, " - ")
	l, r := strings.Split(left, " "), strings.Split(right, " ")
	if !ok || len(l) < 6 || len(r) < 3 {
		return MountView{}, fmt.Errorf("mountinfo: line %q has too few fields", line)
	}
	m := MountView{Target: cgroup.Unescape(l[4]), Type: r[0], Source: cgroup.Unescape(r[1]), Options: l[5], Super: r[2]}
	if root := cgroup.Unescape(l[3]); root != "/" {
		m.Source += "[" + root + "]" // as findmnt(8) writes it
	}
	m.Propagation = strings.Join(l[6:], ",")
	if m.Propagation == "" {
		m.Propagation = "private"
	}
	return m, nil
}

// rootOf reads what a root is made of from its mount. Lower directories may be
// named relative to the store's, where they were mounted from.
func rootOf(m MountView, layersDir string) RootView {
	r := RootView{Type: m.Type, Options: m.Super}
	r.ReadOnly = strings.HasPrefix(m.Options+",", "ro,")
	if m.Type != "overlay" {
		return r
	}
	var lower []string
	upper := ""
	for option := range strings.SplitSeq(m.Super, ",") {
		key, value, _ := strings.Cut(option, "=")
		value = cgroup.Unescape(value)
		switch key {
		case "lowerdir":
			lower = append(lower, splitLower(value)...)
		case "lowerdir+": // Linux 6.8, a directory each
			lower = append(lower, value)
		case "upperdir":
			upper = unescapeOverlay(value)
		case "workdir":
			r.Work = unescapeOverlay(value)
		}
	}
	for i := len(lower) - 1; i >= 0; i-- { // the uppermost comes first
		dir := lower[i]
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(layersDir, dir)
		}
		r.Layers = append(r.Layers, LayerView{Dir: dir})
	}
	if upper != "" {
		r.Layers = append(r.Layers, LayerView{Dir: upper, Writable: true})
	}
	return r
}

// splitLower parts the directories of lowerdir at their colons, where no
// backslash protects them.
func splitLower(value string) []string {
	var dirs []string
	start := 0
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case ':':
			dirs = append(dirs, unescapeOverlay(value[start:i]))
			start = i + 1
		}
	}
	return append(dirs, unescapeOverlay(value[start:]))
}

// unescapeOverlay takes away the backslashes that overlayfs wants before
// colons, commas and backslashes.
func unescapeOverlay(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// layerSize is what the store says of a layer.
func (c *Container) layerSize(chainID string) (int64, error) {
	store := layers.Store{Dir: c.layersDir}
	n, err := store.Size(chainID)
	if err != nil {
		return 0, errors.Join(fmt.Errorf("layer %s", chainID), err)
	}
	return n, nil
}
