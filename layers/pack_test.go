package layers_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gocker/layers"
)

// GNU tar is the oracle: it, and this package, make the same tree of what is packed.
func TestWhatIsPackedIsThereAgain(t *testing.T) {
	needRoot(t)
	tree := t.TempDir()
	growTree(t, tree)
	dir, err := os.Open(tree)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	var packed bytes.Buffer
	p := layers.NewPacker(&packed)
	if err := p.Add(dir, "d", "d"); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	want := scriptOf(t, filepath.Join(tree, "d"), true)

	byTar := t.TempDir()
	cmd := exec.Command("tar", "-C", byTar, "--numeric-owner", "--same-owner", "--delay-directory-restore", "--xattrs", "--xattrs-include=*", "-xpf", "-")
	cmd.Stdin = bytes.NewReader(packed.Bytes())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := scriptOf(t, filepath.Join(byTar, "d"), true); got != want {
		t.Errorf("GNU tar extracts\n%swant\n%s", got, want)
	}

	to := t.TempDir()
	root, err := os.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for range 2 { // over what is there, too
		err := layers.Extract(context.Background(), bytes.NewReader(packed.Bytes()), layers.Destination{Root: root, Dir: "/", Owned: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := scriptOf(t, filepath.Join(to, "d"), true); got != want {
			t.Errorf("extracted\n%swant\n%s", got, want)
		}
	}
}

func TestAnExtractionStaysInItsRoot(t *testing.T) {
	needRoot(t)
	outside, to := t.TempDir(), t.TempDir()
	root, err := os.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, link := range []string{outside, "../../../../../../../.." + outside, "/proc/self/root" + outside} {
		script := "sym dir " + link + "\nfile dir/planted x"
		// It may fail or end inside of the root.
		_ = layers.Extract(context.Background(), bytes.NewReader(tarOf(t, script)), layers.Destination{Root: root})
	}
	for _, script := range []string{"file ../planted x", "sym x " + outside + "\nlink y x/../planted"} {
		_ = layers.Extract(context.Background(), bytes.NewReader(tarOf(t, script)), layers.Destination{Root: root})
	}
	if found, _ := filepath.Glob(filepath.Join(outside, "*")); len(found) > 0 {
		t.Errorf("outside: %v", found)
	}
	if found, _ := filepath.Glob(filepath.Join(filepath.Dir(to), "planted")); len(found) > 0 {
		t.Errorf("outside: %v", found)
	}
}

// What is packed of an upper directory makes, as a layer, the same merged tree.
func TestPackedChangesMakeTheSameLayer(t *testing.T) {
	s := openStore(t)
	below := commit(t, s, `
		file etc/passwd old
		file etc/gone x
		dir tree
		file tree/below x
		dir tree/dir
		file tree/dir/below x
		file becomes/dir x
	`, `
		file etc/passwd new
		file etc/.wh.gone
		file tree/.wh..wh..opq
		file tree/dir/above x
		file becomes/dir/x x
		file hidden/x x
	`)
	var packed bytes.Buffer
	hidden := func(path string) bool { return path == "/hidden" }
	if err := s.Stack(below).PackChanges(&packed, hidden); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tar")
	if err := os.WriteFile(file, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got := string(run(t, "tar", "-tf", file))
	want := "becomes/\nbecomes/dir/\nbecomes/dir/x\netc/\netc/.wh.gone\netc/passwd\ntree/\ntree/.wh.below\ntree/dir/\ntree/dir/above\ntree/dir/.wh.below\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
