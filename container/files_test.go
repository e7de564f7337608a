package container

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestAFileIsReplacedWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	texts := map[string]bool{strings.Repeat("a", 10_000): true, strings.Repeat("b", 100_000): true}
	var stop sync.WaitGroup
	done := make(chan struct{})
	for text := range texts {
		if err := writeFile(path, []byte(text), true); err != nil {
			t.Fatal(err)
		}
	}
	// One writes, another sees the old text or the new.
	stop.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			got, err := os.ReadFile(path)
			if err != nil || !texts[string(got)] {
				t.Errorf("read %d bytes, %v: neither the old text nor the new", len(got), err)
				return
			}
		}
	})
	for range 200 {
		for text := range texts {
			if err := writeFile(path, []byte(text), false); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(done)
	stop.Wait()
	onlyFile(t, path)
}

func TestAFileThatCantBeReplacedStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir")
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(path, []byte("new"), false); err == nil {
		t.Error("a directory was replaced by a file")
	}
	if err := writeFile(filepath.Join(path, "no", "file"), []byte("new"), false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a missing directory: %v", err)
	}
	onlyFile(t, path)
}

// onlyFile demands that nothing but path is left in its directory.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(path) {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestALockIsHeldByOne(t *testing.T) {
	dir := t.TempDir()
	first, err := lock(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(dir, false); !errors.Is(err, errLocked) {
		t.Errorf("a second lock: %v, want %v", err, errLocked)
	}
	got := make(chan error)
	go func() {
		f, err := lock(dir, true)
		if err == nil {
			f.Close()
		}
		got <- err
	}()
	first.Close()
	if err := <-got; err != nil {
		t.Errorf("one that waits: %v", err)
	}
	if _, err := lock(filepath.Join(dir, "missing"), true); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
}
