package container

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestSizeCountsWhatAContainerHasWritten(t *testing.T) {
	s := &Store{Root: t.TempDir(), RunRoot: t.TempDir()}
	c := s.handle(id("aa"))
	c.Rootfs = t.TempDir()
	outside := t.TempDir()
	upper := c.upper()
	if err := errors.Join(
		os.WriteFile(filepath.Join(c.Rootfs, "below"), make([]byte, 1000), 0o644),
		os.WriteFile(filepath.Join(outside, "big"), make([]byte, 1<<20), 0o644),
		os.MkdirAll(filepath.Join(upper, "a/b"), 0o755),
		os.WriteFile(filepath.Join(upper, "a/b/file"), make([]byte, 100), 0o644),
		os.Link(filepath.Join(upper, "a/b/file"), filepath.Join(upper, "again")),
		os.WriteFile(filepath.Join(upper, "a/ten"), make([]byte, 10), 0o644),
		os.Symlink("x", filepath.Join(upper, "link")), // one byte
	); err != nil {
		t.Fatal(err)
	}
	// A link that leads out of the container is no directory of it.
	if err := os.Symlink(outside, filepath.Join(upper, "out")); err != nil {
		t.Fatal(err)
	}
	want := int64(100 + 10 + 1 + len(outside))
	written, total, err := c.Size()
	if err != nil || written != want || total != want+1000 {
		t.Errorf("written %d, total %d (%v), want %d, %d", written, total, err, want, want+1000)
	}
}

func TestSizeOfWhatIsBeingRemovedIsNone(t *testing.T) {
	s := &Store{Root: t.TempDir(), RunRoot: t.TempDir()}
	c := s.handle(id("aa"))
	c.Rootfs = filepath.Join(t.TempDir(), "gone")
	if written, total, err := c.Size(); written != 0 || total != 0 || err != nil {
		t.Errorf("written %d, total %d, %v", written, total, err)
	}
}

func TestSizeOfALayerThatIsMissingIsAnError(t *testing.T) {
	s := &Store{Root: t.TempDir(), RunRoot: t.TempDir()}
	c := s.handle(id("aa"))
	c.Layers = []string{"sha256:" + id("bb")}
	if err := os.MkdirAll(c.upper(), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Size(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
