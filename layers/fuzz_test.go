package layers_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"gocker/layers"

	"golang.org/x/sys/unix"
)

// FuzzUnpack holds that whatever the tar, nothing outside the store changes, a
// failure leaves nothing, and a layer that was taken can be committed over
// another and holds nothing that is an order to overlayfs but whiteouts and
// opaque directories that a tar may ask for.
func FuzzUnpack(f *testing.F) {
	for _, seed := range []string{
		"dir d mode=1777\nfile d/f text\nlink g d/f\nsym s /d\nfile s/h\nfifo p\nchar c 1 3",
		"file below/.wh.f\nfile .wh.gone\nfile below/.wh..wh..opq\ndir gone",
		"file .wh..wh..opq\nfile below/x\ndir ./ mode=0700",
		"sym l ../../../../canary\nfile l/f\nfile l/.wh.f\nlink m l/f",
		"file ../canary/f pwned",
		"file .wh...",
		"file a\ndir a\nfile a/b\nfile a\nsym a /canary\nfile a/f",
		"file f xattr:user.a=b xattr:security.capability=x",
		"dir d xattr:trusted.overlay.redirect=/canary",
		"link a /canary/f",
	} {
		f.Add(tarOf(f, seed))
	}
	needRoot(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		s := openStore(t)
		host := newHost(t, s.Tmp)
		ids := commit(t, s, "dir below mode=0700 uid=1\nfile below/f\nfile gone/x\nfile l/f")
		staged, err := s.Stage(context.Background(), bytes.NewReader(data))
		host.check(t)
		if err != nil {
			isEmpty(t, s.Tmp)
			return
		}
		if err := staged.Commit(chainID(1), ids); err != nil {
			t.Fatal(err)
		}
		host.check(t)
		isEmpty(t, s.Tmp)
		checkLayer(t, s, chainID(1))
	})
}

// checkLayer fails the test when a layer holds an attribute of overlayfs other
// than opaque=y, or its root an opaque one.
func checkLayer(t *testing.T, s *layers.Store, id string) {
	root := s.Path(id)
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		buf := make([]byte, 64<<10)
		n, err := unix.Llistxattr(path, buf)
		for name := range bytes.SplitSeq(buf[:max(n, 0)], []byte{0}) {
			opaque := string(name) == "trusted.overlay.opaque" && path != root
			if bytes.Contains(name, []byte("overlay.")) && !opaque {
				t.Errorf("%s has %s", path, name)
			}
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
}
