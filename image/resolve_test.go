package image

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func digestIn(s string) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: strings.TrimPrefix(s, "sha256:")}
}

func TestAnImageIsFoundByWhatDockerTakes(t *testing.T) {
	s, _ := newStore(t)
	r := newRegistry(t)
	d := r.push("latest", r.image("one"))
	img, _, err := s.Pull(t.Context(), r.name("a"), PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	hex := strings.TrimPrefix(img.ID, "sha256:")
	for _, name := range []string{
		r.name("a"), r.name("a:latest"), r.name("a@") + d.Digest.String(), r.name("a:any@") + d.Digest.String(),
		img.ID, hex, hex[:12], hex[:1], "sha256:" + hex[:7],
	} {
		got, err := s.Get(name)
		if err != nil || got.ID != img.ID {
			t.Errorf("Get(%q): %v, %v", name, got, err)
		}
	}
	absent := strings.Repeat("0", 64)
	for name, says := range map[string]string{
		"a":                          "No such image: a:latest",
		r.name("a:b"):                "No such image: " + r.name("a:b"),
		r.name("a@sha256:") + absent: "No such image: " + r.name("a@sha256:") + absent,
		"sha256:" + absent:           "No such image: sha256:" + absent,
		"nothex":                     "No such image: nothex:latest",
	} {
		_, err := s.Get(name)
		if !errors.Is(err, ErrNotFound) || err.Error() != says {
			t.Errorf("Get(%q): %v, want %q", name, err, says)
		}
	}
	if _, err := s.Get("A"); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("Get of a name that is none: %v", err)
	}
}

func TestAPrefixOfTwoIDsIsAmbiguous(t *testing.T) {
	s, _ := newStore(t)
	r := newRegistry(t)
	seen := make(map[byte]string)
	for i := 0; ; i++ {
		r.push("latest", r.image(fmt.Sprint(i)))
		img, _, err := s.Pull(t.Context(), r.name("a"), PullOptions{})
		if err != nil {
			t.Fatal(err)
		}
		first := img.ID[len("sha256:")]
		if seen[first] != "" {
			_, err := s.Get(string(first))
			wantError(t, err, "is ambiguous")
			return
		}
		seen[first] = img.ID
	}
}

func TestLookingUpOneNameReadsNoOtherImage(t *testing.T) {
	s, _ := newStore(t)
	r := newRegistry(t)
	for _, tag := range []string{"one", "two"} {
		r.push(tag, r.image(tag))
		if _, _, err := s.Pull(t.Context(), r.name("a:")+tag, PullOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	two, err := s.Get(r.name("a:two"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.blobPath(digestIn(two.ManifestDigest))); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(r.name("a:one")); err != nil {
		t.Error(err)
	}
	_, err = s.List()
	wantError(t, err, "read image "+r.name("a:two"), "pull or remove it again")
}

func TestAnEmptyStoreHasNoImages(t *testing.T) {
	s, _ := newStore(t)
	if all, err := s.List(); err != nil || len(all) != 0 {
		t.Errorf("List: %v, %v", all, err)
	}
	if _, err := s.Get("alpine"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get: %v", err)
	}
	if _, err := os.Stat(s.root); !os.IsNotExist(err) {
		t.Errorf("reading made the root: %v", err)
	}
}

func BenchmarkGetByName(b *testing.B) {
	s := Open(os.Getenv("IMAGE_ROOT"))
	for b.Loop() {
		if _, err := s.Get(os.Getenv("IMAGE_NAME")); err != nil {
			b.Skip("set IMAGE_ROOT and IMAGE_NAME to a pulled image: ", err)
		}
	}
}
