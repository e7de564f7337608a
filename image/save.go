package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// An archive is images in one tar, in two forms at once, as docker writes it since
// version 25: an OCI image layout, and manifest.json, docker's own list. Both name
// the same blobs, compressed as they were pulled.

// archived is an entry of manifest.json.
type archived struct {
	Config   string
	RepoTags []string
	Layers   []string // bottom to top
}

// containerdName is the annotation by which docker and containerd tell an image's
// whole name.
const containerdName = "io.containerd.image.name"

// Save writes images as an archive. A name without a tag stands for all tags of the
// repository, an ID for an image without a name.
func (s *Store) Save(ctx context.Context, names []string, w io.Writer) error {
	hold, err := s.Hold(ctx)
	if err != nil {
		return err
	}
	defer hold.Close()
	a := &archiver{store: s, tar: tar.NewWriter(w), written: map[string]bool{}, index: v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}}
	// All are found before anything is written.
	var all []*Image
	for _, name := range names {
		found, err := s.toSave(name)
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	for _, img := range all {
		if err := a.add(ctx, img); err != nil {
			return fmt.Errorf("save image %s: %w", short(img.ID), err)
		}
	}
	return a.end()
}

// toSave returns the images that a name stands for, each with the names that are
// saved with it.
func (s *Store) toSave(name string) ([]*Image, error) {
	img, err := s.Get(name)
	if errors.Is(err, ErrNotFound) && !HasTag(name) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	ref, err := ParseReference(name)
	byID := img != nil && (err != nil || !slices.ContainsFunc(img.Refs, func(r Reference) bool { return r.Name() == ref.Name() }))
	switch {
	case byID, ref.Digest != "":
		img.Refs = nil
		return []*Image{img}, nil
	case HasTag(name):
		img.Refs = []Reference{ref}
		return []*Image{img}, nil
	}
	all, err := s.List()
	if err != nil {
		return nil, err
	}
	var found []*Image
	for _, img := range all {
		img.Refs = slices.DeleteFunc(img.Refs, func(r Reference) bool { return r.Digest != "" || r.Name() != ref.Name() })
		if len(img.Refs) > 0 {
			found = append(found, img)
		}
	}
	if found == nil {
		return nil, &notFoundError{ref.Familiar()}
	}
	return found, nil
}

type archiver struct {
	store   *Store
	tar     *tar.Writer
	written map[string]bool
	index   v1.IndexManifest
	list    []archived
}

func blobName(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

func (a *archiver) add(ctx context.Context, img *Image) error {
	digest, err := v1.NewHash(img.ManifestDigest)
	if err != nil {
		return err
	}
	raw, err := a.store.readBlob(digest)
	if err != nil {
		return err
	}
	manifest := v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digest, Size: int64(len(raw))}
	blobs := append([]v1.Descriptor{manifest, img.manifest.Config}, img.manifest.Layers...)
	for _, d := range blobs {
		if err := a.blob(ctx, d); err != nil {
			return err
		}
	}
	entry := archived{Config: blobName(img.manifest.Config.Digest), Layers: []string{}}
	for _, l := range img.manifest.Layers {
		entry.Layers = append(entry.Layers, blobName(l.Digest))
	}
	for _, r := range img.Refs {
		entry.RepoTags = append(entry.RepoTags, r.Familiar())
		d := manifest
		d.Annotations = map[string]string{containerdName: r.String(), refAnnotation: r.Tag}
		a.index.Manifests = append(a.index.Manifests, d)
	}
	if len(img.Refs) == 0 {
		a.index.Manifests = append(a.index.Manifests, manifest)
	}
	a.list = append(a.list, entry)
	return nil
}

// blob writes a blob once. One that is damaged ends the archive with an error.
func (a *archiver) blob(ctx context.Context, d v1.Descriptor) error {
	if a.written[d.Digest.Hex] {
		return nil
	}
	a.written[d.Digest.Hex] = true
	f, err := os.Open(a.store.blobPath(d.Digest))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: blobName(d.Digest), Mode: 0o644, Size: d.Size}); err != nil {
		return err
	}
	checked := &blobReader{src: f, keep: io.Discard, want: d, sum: sha256.New()}
	if _, err := io.Copy(a.tar, contextReader{ctx, checked}); err != nil {
		return fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	return nil
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// end writes what lists the blobs.
func (a *archiver) end() error {
	for _, doc := range []struct {
		name string
		v    any
	}{
		{"index.json", a.index},
		{"manifest.json", a.list},
		{"oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"}},
	} {
		raw, err := json.Marshal(doc.v)
		if err != nil {
			return err
		}
		if err := a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: doc.name, Mode: 0o644, Size: int64(len(raw))}); err != nil {
			return err
		}
		if _, err := a.tar.Write(raw); err != nil {
			return err
		}
	}
	return a.tar.Close()
}
