package layers_test

import (
	"slices"
	"strings"
	"testing"

	"gocker/layers"
)

func TestChangesAreWhatTheUppermostDirectoryMakesOfTheRest(t *testing.T) {
	s := openStore(t)
	stack := s.Stack(commit(t, s, `
		file etc/passwd old
		file etc/same same
		file etc/gone x
		file tree/deep/gone x
		file tree/deep/kept x
		file again/below x
		file again/dir/below x
		file again/both x
		dir only/looked/at
		dir becomes/file
		file becomes/dir x
		sym link/moved /here
		dir mode
		file hidden/in-image x
	`, `
		file again/middle x
		file etc/.wh.never x
	`, `
		file etc/passwd new!
		file etc/same same
		file etc/.wh.gone
		file etc/new/in/here x
		file tree/deep/.wh.gone
		file again/.wh..wh..opq
		file again/both longer
		file again/above x
		file again/dir/above x
		dir only/looked/at
		file becomes/file x
		dir becomes/dir
		file becomes/dir/x x
		sym link/moved /there
		dir mode mode=0700
		file hidden/new x
		file hidden/.wh.in-image
	`))
	hidden := func(path string) bool { return path == "/hidden" }
	got, err := stack.Changes(hidden)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range got {
		lines = append(lines, string(c.Kind)+" "+c.Path)
	}
	want := []string{
		"C /again", "A /again/above", "D /again/below", "C /again/both",
		"C /again/dir", "A /again/dir/above", "D /again/dir/below", "D /again/middle",
		"C /becomes", "C /becomes/dir", "A /becomes/dir/x", "C /becomes/file",
		"C /etc", "D /etc/gone", "A /etc/new", "A /etc/new/in", "A /etc/new/in/here", "C /etc/passwd",
		"C /link", "C /link/moved",
		"C /mode",
		"C /tree", "C /tree/deep", "D /tree/deep/gone",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if _, err := (layers.Stack{}).Changes(hidden); err == nil {
		t.Error("an empty stack has changes")
	}
}
