// Package image fetches container images from registries and keeps them on disk.
//
// An image is a manifest: a JSON document that lists a config (what to run, and
// the diff IDs) and layers. A layer is a tar of changes, kept compressed as a
// blob. A blob is bytes named by their digest. The digest of a layer's
// uncompressed tar is its diff ID; the chain ID names a layer together with all
// layers below it. The digest of the config is the image's ID. A ref is a name
// for an image: docker.io/library/alpine:latest, or with @sha256:… the digest
// that the registry gave. The terms are those of the OCI image and distribution
// specifications, version 1.1.
//
// A [Store] keeps images as an OCI image layout, which skopeo and crane read too:
//
//	ROOT/images/oci-layout           the layout's version
//	ROOT/images/index.json           the refs: name, manifest digest, image ID
//	ROOT/images/blobs/sha256/HEX     manifests, configs, compressed layers
//	ROOT/tmp/pull-*                  what a pull has not verified yet
//	ROOT/lock                        shared: may use what no ref names; exclusive: may remove
//
// [Store.Pull] turns a name into a manifest for one platform, fetches what is
// missing, and writes the ref last: until then nothing of the image is visible.
// Each layer passes once: its compressed bytes are hashed and kept while they are
// inflated, hashed again and handed to the [Layers] that unpack them. Nothing is
// published before both digests matched to the last byte.
//
// [Store.Get] reads one ref, one manifest and one config. [Store.Remove] takes
// refs away; blobs and layers that no image and no container uses are swept
// under the exclusive lock.
package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// ErrNotFound is wrapped by errors about an image that the store does not hold.
var ErrNotFound = errors.New("no such image")

// Store is the images below one root directory. Several processes may use the
// same root at once.
type Store struct {
	// Layers opens the store of unpacked layers; all but Get and List need it.
	Layers func() (Layers, error)
	// Users tells which containers hold on to images and layers. Nil means none.
	Users func() ([]User, error)

	root string
}

// Layers is the store of unpacked layers, as far as images need it.
type Layers interface {
	// Has reports whether the layer is there, complete.
	Has(chainID string) bool
	// Stage unpacks an uncompressed tar to where only Commit makes it visible. It
	// reads r to io.EOF; on any other error of r it keeps nothing.
	Stage(ctx context.Context, r io.Reader) (Staged, error)
	// List returns the chain IDs of all layers.
	List() ([]string, error)
	// Remove deletes a layer; a missing one is no error.
	Remove(chainID string) error
	// Sweep deletes what killed processes staged.
	Sweep() error
	// Sync writes the filesystem of the layers and images to the disk.
	Sync() error
	// Size is the sum of the layer's file sizes in bytes.
	Size(chainID string) (int64, error)
}

// Staged is a layer that is unpacked but not visible.
type Staged interface {
	// Commit publishes the layer; parents are the chain IDs below it, bottom first,
	// all committed. A layer that is there already is kept.
	Commit(chainID string, parents []string) error
	// Discard deletes the layer. After Commit it does nothing.
	Discard() error
}

// User is a container that holds on to an image and its layers.
type User struct {
	ID       string   // 64 hexadecimal digits
	ImageID  string   // as Image.ID
	Running  bool     // its image can't be removed by force
	ChainIDs []string // layers that are kept even when the image goes
}

// Image is one image of the store.
type Image struct {
	ID             string      // digest of the config: sha256:…
	Refs           []Reference // its names: those with tags, then those with digests
	ManifestDigest string      // of this platform's manifest, as the layout has it: sha256:…
	Config         *v1.ConfigFile
	DiffIDs        []string // bottom to top
	ChainIDs       []string // bottom to top

	manifest *v1.Manifest
}

// Tags returns the image's names with tags as docker prints them: alpine:latest.
func (i *Image) Tags() []string {
	var tags []string
	for _, r := range i.Refs {
		if r.Digest == "" {
			tags = append(tags, r.Familiar())
		}
	}
	return tags
}

// Digests returns the image's names with digests as docker prints them:
// alpine@sha256:…. The digest is the one that the registry gave for the name,
// which is an index's where the image has several platforms.
func (i *Image) Digests() []string {
	var digests []string
	for _, r := range i.Refs {
		if r.Digest != "" {
			digests = append(digests, r.Familiar())
		}
	}
	return digests
}

// Created is when the image was built, the zero time where that is not told.
func (i *Image) Created() time.Time { return i.Config.Created.Time }

// Platform is the image's platform: linux/arm64/v8.
func (i *Image) Platform() string {
	return platformString(v1.Platform{OS: i.Config.OS, Architecture: i.Config.Architecture, Variant: i.Config.Variant})
}

// Open returns the store below root, which need not exist yet. It touches no file.
func Open(root string) *Store { return &Store{root: root} }

// Size returns the bytes of an image's unpacked layers, shared ones included.
func (s *Store) Size(i *Image) (int64, error) {
	layers, err := s.Layers()
	if err != nil {
		return 0, err
	}
	var total int64
	for _, id := range i.ChainIDs {
		n, err := layers.Size(id)
		if err != nil {
			return 0, fmt.Errorf("size of image %s: %w", short(i.ID), err)
		}
		total += n
	}
	return total, nil
}

// LayerSize returns the bytes of one unpacked layer.
func (s *Store) LayerSize(chainID string) (int64, error) {
	layers, err := s.Layers()
	if err != nil {
		return 0, err
	}
	return layers.Size(chainID)
}

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.root}, elem...)...)
}

func (s *Store) blobPath(h v1.Hash) string { return s.path("images", "blobs", h.Algorithm, h.Hex) }

// readBlob returns a small blob after checking its digest.
func (s *Store) readBlob(h v1.Hash) ([]byte, error) {
	b, err := os.ReadFile(s.blobPath(h))
	if err != nil {
		return nil, err
	}
	if got := digestOf(b); got != h {
		return nil, fmt.Errorf("blob %s is damaged: its digest is %s", h, got)
	}
	return b, nil
}

// load reads the image that a descriptor of index.json names, without its refs.
func (s *Store) load(d v1.Descriptor) (*Image, error) {
	img, err := s.loadManifest(d.Digest)
	if err != nil {
		return nil, fmt.Errorf("read image %s (pull or remove it again): %w", nameOf(d), err)
	}
	return img, nil
}

func (s *Store) loadManifest(digest v1.Hash) (*Image, error) {
	raw, err := s.readBlob(digest)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(raw)
	if err != nil {
		return nil, err
	}
	raw, err = s.readBlob(m.Config.Digest)
	if err != nil {
		return nil, err
	}
	config, err := parseConfig(raw, m)
	if err != nil {
		return nil, err
	}
	return newImage(digest, m, config), nil
}

func newImage(digest v1.Hash, m *v1.Manifest, config *v1.ConfigFile) *Image {
	img := &Image{
		ID:             m.Config.Digest.String(),
		ManifestDigest: digest.String(),
		Config:         config,
		manifest:       m,
	}
	for _, d := range config.RootFS.DiffIDs {
		img.DiffIDs = append(img.DiffIDs, d.String())
	}
	img.ChainIDs = chainIDs(img.DiffIDs)
	return img
}

// chainIDs names each layer together with those below it (OCI image spec 1.1,
// config.md, "Layer ChainID").
func chainIDs(diffIDs []string) []string {
	var ids []string
	for i, diff := range diffIDs {
		if i > 0 {
			diff = digestOf([]byte(ids[i-1] + " " + diff)).String()
		}
		ids = append(ids, diff)
	}
	return ids
}

func digestOf(b []byte) v1.Hash {
	sum := sha256.Sum256(b)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// short cuts a digest or an ID to the 12 digits that docker prints.
func short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), 12)]
}
