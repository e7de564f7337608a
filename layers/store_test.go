package layers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"gocker/layers"
)

func TestALayerIsCompleteOrAbsent(t *testing.T) {
	s := openStore(t)
	id := chainID(0)
	if s.Has(id) {
		t.Error("there before it was staged")
	}
	staged, err := s.Stage(context.Background(), bytes.NewReader(tarOf(t, "file a 12345\nlink b a\ndir c\nfile d 678")))
	if err != nil {
		t.Fatal(err)
	}
	if s.Has(id) {
		t.Error("there before the commit")
	}
	if err := staged.Commit(id, nil); err != nil {
		t.Fatal(err)
	}
	if err := staged.Discard(); err != nil {
		t.Errorf("discard after commit: %v", err)
	}
	if err := s.Sync(); err != nil {
		t.Error(err)
	}
	if size, err := s.Size(id); !s.Has(id) || size != 8 || err != nil {
		t.Errorf("after the commit: has %v, size %d, %v", s.Has(id), size, err)
	}
	if infos, err := s.List(); err != nil || !slices.Equal(infos, []layers.Info{{ChainID: id, Size: 8}}) {
		t.Errorf("list: %v, %v", infos, err)
	}

	// Another process sees the same.
	again, err := layers.Open(filepath.Dir(s.Dir))
	if err != nil || !again.Has(id) {
		t.Errorf("opened again: %v", err)
	}

	for range 2 {
		if err := s.Remove(id); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Size(id); s.Has(id) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after the removal: has %v, size's error %v", s.Has(id), err)
		}
	}
	isEmpty(t, s.Dir)
	isEmpty(t, s.Tmp)
}

func TestALayerThatIsThereIsKept(t *testing.T) {
	s := openStore(t)
	commit(t, s, "file a first")
	commit(t, s, "file a second")
	if got := scriptOf(t, s.Path(chainID(0)), false); got != "file a first\n" {
		t.Errorf("got %s", got)
	}
	isEmpty(t, s.Tmp)
}

func TestManyMayCommitOneLayerAtOnce(t *testing.T) {
	s := openStore(t)
	data := tarOf(t, "file a x\ndir b")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			staged, err := s.Stage(context.Background(), bytes.NewReader(data))
			if err == nil {
				err = staged.Commit(chainID(0), nil)
			}
			if err == nil && !s.Has(chainID(0)) {
				err = errors.New("absent after the commit")
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	isEmpty(t, s.Tmp)
}

func TestACommitNeedsItsParents(t *testing.T) {
	s := openStore(t)
	staged, err := s.Stage(context.Background(), bytes.NewReader(tarOf(t, "file a")))
	if err != nil {
		t.Fatal(err)
	}
	if err := staged.Commit(chainID(1), []string{chainID(0)}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := staged.Discard(); err != nil {
		t.Error(err)
	}
	if err := staged.Commit(chainID(1), nil); err == nil {
		t.Error("committed after the discard")
	}
	isEmpty(t, s.Dir)
	isEmpty(t, s.Tmp)
}

func TestAChainIDIsNoPath(t *testing.T) {
	s := openStore(t)
	for _, id := range []string{
		"", "sha256:", "x", "sha256:../../../../../../../../../../../../../../../../../../../../../..",
		"sha512:" + chainID(0)[7:], chainID(0) + "0", strings.ToUpper(chainID(0)), chainID(0)[7:],
	} {
		if s.Has(id) || s.Path(id) != "" || s.Remove(id) == nil {
			t.Errorf("%q was taken", id)
		}
		staged, err := s.Stage(context.Background(), bytes.NewReader(nil))
		if err != nil {
			t.Fatal(err)
		}
		if err := staged.Commit(id, nil); err == nil {
			t.Errorf("%q was committed", id)
		}
		if err := staged.Discard(); err != nil {
			t.Error(err)
		}
	}
}

func TestLayersWhoseNamesCollideAreToldApart(t *testing.T) {
	s := openStore(t)
	commit(t, s, "file a")
	other := chainID(0)[:7+24] + strings.Repeat("0", 40)
	if s.Has(other) {
		t.Error("one layer passes for another")
	}
	staged, err := s.Stage(context.Background(), bytes.NewReader(tarOf(t, "file b")))
	if err != nil {
		t.Fatal(err)
	}
	defer staged.Discard()
	if err := staged.Commit(other, nil); err == nil {
		t.Error("one layer was put over another")
	}
	if got := scriptOf(t, s.Path(chainID(0)), false); got != "file a\n" {
		t.Errorf("got %s", got)
	}
}

func TestAStreamThatFailsLeavesNothing(t *testing.T) {
	broken := errors.New("the digest does not match")
	whole := tarOf(t, "dir d\nfile d/f "+strings.Repeat("x", 5000)+"\nfile g")
	for _, test := range []struct {
		name string
		r    io.Reader
		err  error
	}{
		{"after the archive's end", io.MultiReader(bytes.NewReader(whole), iotest.ErrReader(broken)), broken},
		{"after padding", io.MultiReader(bytes.NewReader(whole), bytes.NewReader(make([]byte, 1<<20)), iotest.ErrReader(broken)), broken},
		{"in a file", io.MultiReader(bytes.NewReader(whole[:2000]), iotest.ErrReader(broken)), broken},
		{"in a header", io.MultiReader(bytes.NewReader(whole[:100]), iotest.ErrReader(broken)), broken},
		{"at once", iotest.ErrReader(broken), broken},
		{"cut in a file", bytes.NewReader(whole[:2000]), io.ErrUnexpectedEOF},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := openStore(t)
			if _, err := s.Stage(context.Background(), test.r); !errors.Is(err, test.err) {
				t.Errorf("got %v, want %v", err, test.err)
			}
			isEmpty(t, s.Tmp)
			isEmpty(t, s.Dir)
		})
	}
}

func TestAStreamIsReadToItsEnd(t *testing.T) {
	s := openStore(t)
	r := io.MultiReader(bytes.NewReader(tarOf(t, "file a")), bytes.NewReader(make([]byte, 300_000)))
	staged, err := s.Stage(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer staged.Discard()
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("%d bytes left, %v", n, err)
	}
}

func TestACancelledStageLeavesNothing(t *testing.T) {
	s := openStore(t)
	ctx, cancel := context.WithCancel(context.Background())
	data := tarOf(t, "file a x\nfile b y")
	// The context ends when the first file is on its way.
	r := io.MultiReader(bytes.NewReader(data[:600]), readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, nil
	}), bytes.NewReader(data[600:]))
	if _, err := s.Stage(ctx, io.MultiReader(r)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	isEmpty(t, s.Tmp)
}

// readerFunc reads nothing once, and then is at its end.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) {
	if _, err := f(p); err != nil {
		return 0, err
	}
	return 0, io.EOF
}

func TestASweepRemovesWhatNobodyHolds(t *testing.T) {
	s := openStore(t)
	ids := commit(t, s, "file a")
	live, err := s.Stage(context.Background(), bytes.NewReader(tarOf(t, "file b")))
	if err != nil {
		t.Fatal(err)
	}
	leave := func(dir, name string) {
		if err := os.MkdirAll(filepath.Join(dir, name, "etc"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	leave(s.Tmp, "layer-dead")
	leave(s.Tmp, "others")                   // not this package's
	leave(s.Dir, "0123456789abcdef01234567") // a layer without its description
	if err := os.WriteFile(filepath.Join(s.Dir, "ffffffffffffffffffffffff.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Sweep(); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, s.Dir); len(got) != 2 {
		t.Errorf("layers: %v", got)
	}
	if got := names(t, s.Tmp); len(got) != 2 || !slices.Contains(got, "others") {
		t.Errorf("staging: %v", got)
	}
	if err := live.Commit(chainID(1), ids); err != nil {
		t.Errorf("the live one: %v", err)
	}
}

func TestASweepDoesNotDisturbOthersStaging(t *testing.T) {
	s := openStore(t)
	done := make(chan error)
	go func() {
		for i := range 50 {
			staged, err := s.Stage(context.Background(), bytes.NewReader(tarOf(t, "file a/b\nfile c")))
			if err == nil {
				err = staged.Commit(chainID(i), nil)
			}
			if err != nil {
				done <- fmt.Errorf("layer %d: %w", i, err)
				return
			}
		}
		done <- nil
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			if infos, err := s.List(); len(infos) != 50 || err != nil {
				t.Errorf("%d layers of 50, %v", len(infos), err)
			}
			return
		default:
			if err := s.Sweep(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestALayerWithoutItsDescriptionIsMadeAgain(t *testing.T) {
	// As a power cut may leave it.
	s := openStore(t)
	ids := commit(t, s, "file a broken")
	if err := os.Truncate(s.Path(ids[0])+".json", 0); err != nil {
		t.Fatal(err)
	}
	if s.Has(ids[0]) {
		t.Error("the broken layer counts")
	}
	commit(t, s, "file a whole")
	if got := scriptOf(t, s.Path(ids[0]), false); got != "file a whole\n" {
		t.Errorf("got %s", got)
	}
	isEmpty(t, s.Tmp)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
