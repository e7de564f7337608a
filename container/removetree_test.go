package container

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestATreeIsRemoved(t *testing.T) {
	top := t.TempDir()
	keep := filepath.Join(top, "keep")
	tree := filepath.Join(top, "tree")
	for _, dir := range []string{keep, filepath.Join(tree, "empty"), filepath.Join(tree, "a/b/c")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// More than one buffer of names, and names of every length.
	for i := range 600 {
		name := fmt.Sprintf("%03d%s", i, strings.Repeat("x", i%200))
		if err := os.WriteFile(filepath.Join(tree, "a", name), nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(keep, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"link": keep, "loop": "loop", "a/b/up": ".."} {
		if err := os.Symlink(target, filepath.Join(tree, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(tree, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := removeTree(tree); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(tree); !os.IsNotExist(err) {
		t.Errorf("the tree is still there: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(keep, "file")); err != nil {
		t.Errorf("what a link leads to is gone: %v", err)
	}
	if err := removeTree(tree); err != nil {
		t.Errorf("removed a second time: %v", err)
	}
	if err := removeTree(filepath.Join(keep, "file")); err != nil {
		t.Errorf("a file: %v", err)
	}
}

func TestATreeWithAMountInItIsNotRemoved(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mount(2) needs root")
	}
	tree := filepath.Join(t.TempDir(), "tree")
	mounted := filepath.Join(tree, "mounted")
	if err := os.MkdirAll(mounted, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", mounted, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(mounted, 0); err != nil {
			t.Error(err)
		}
	}()
	if err := os.WriteFile(filepath.Join(mounted, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := removeTree(tree); err == nil || !strings.Contains(err.Error(), "device or resource busy") {
		t.Errorf("error %v, want that it is busy", err)
	}
	if _, err := os.Lstat(filepath.Join(mounted, "file")); err != nil {
		t.Errorf("the mounted file is gone: %v", err)
	}
}
