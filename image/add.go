package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// NewImage is an image to be made on this machine: one layer more than another, or
// than none.
type NewImage struct {
	Base    *Image // nil for none
	Layer   io.Reader
	Config  v1.ConfigFile // but for its layers and history, which Base's come before
	History v1.History    // of the layer
	Name    string        // "" for none
}

// Add makes an image and returns its ID. Its layer is read to the end, and stored as
// it is: an uncompressed tar. On an error the store is as it was.
func (s *Store) Add(ctx context.Context, n NewImage) (id string, err error) {
	var ref Reference
	if n.Name != "" {
		if ref, err = ParseReference(n.Name); err != nil {
			return "", err
		}
		if ref.Digest != "" {
			return "", errors.New("cannot import digest reference")
		}
	}
	p, done, err := s.prepare(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, done()) }()
	blob, err := p.spoolBlob(n.Layer)
	if err != nil {
		return "", err
	}
	blob.MediaType = types.OCIUncompressedLayer
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	config := n.Config
	config.RootFS = v1.RootFS{Type: "layers"}
	config.History = nil
	if n.Base != nil {
		m.Layers = append(m.Layers, n.Base.manifest.Layers...)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, n.Base.Config.RootFS.DiffIDs...)
		config.History = append(config.History, n.Base.Config.History...)
	}
	m.Layers = append(m.Layers, blob)
	config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, blob.Digest)
	config.History = append(config.History, n.History)
	if err := p.describe(&m, &config); err != nil {
		return "", err
	}
	if err := p.unpackStaged(ctx); err != nil {
		return "", err
	}
	var names []Reference
	if n.Name != "" {
		names = append(names, ref)
	}
	return p.image.ID, p.publishAs(names)
}

// prepare begins a pull that has no registry: what is to be published comes from
// elsewhere. The function it returns ends it, and takes back what was not published.
func (s *Store) prepare(ctx context.Context) (*pull, func() error, error) {
	_ = s.Collect() // as Pull does
	layers, err := s.Layers()
	if err != nil {
		return nil, nil, err
	}
	hold, err := s.Hold(ctx)
	if err != nil {
		return nil, nil, err
	}
	p := &pull{store: s, unpacked: layers}
	if err = os.MkdirAll(s.path("tmp"), 0o700); err == nil {
		p.dir, err = os.MkdirTemp(s.path("tmp"), stagingPrefix)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("stage image: %w", err), hold.Close())
	}
	return p, func() error { return errors.Join(p.discard(), hold.Close()) }, nil
}

// spool writes a stream to a new file in staging. Only blobs have the length of
// their digests there.
func (p *pull) spool(r io.Reader) (path string, d v1.Descriptor, err error) {
	f, err := os.CreateTemp(p.dir, "spool-")
	if err != nil {
		return "", d, fmt.Errorf("stage image: %w", err)
	}
	sum := sha256.New()
	d.Size, err = io.Copy(io.MultiWriter(f, sum), r)
	d.Digest = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
	return f.Name(), d, errors.Join(err, f.Chmod(0o644), f.Close())
}

// spoolBlob stages a stream as the blob that it is.
func (p *pull) spoolBlob(r io.Reader) (v1.Descriptor, error) {
	path, d, err := p.spool(r)
	if err != nil {
		return d, err
	}
	return d, os.Rename(path, p.stagedPath(d.Digest))
}

// describe stages the config and the manifest of the image.
func (p *pull) describe(m *v1.Manifest, config *v1.ConfigFile) error {
	raw, err := json.Marshal(config)
	if err != nil {
		return err
	}
	m.Config = v1.Descriptor{MediaType: types.OCIConfigJSON, Digest: digestOf(raw), Size: int64(len(raw))}
	if err := p.keep(m.Config.Digest, raw); err != nil {
		return err
	}
	raw, err = json.Marshal(m)
	if err != nil {
		return err
	}
	return p.take(raw, m, config)
}

// take stages a manifest, and makes it the one that is published.
func (p *pull) take(raw []byte, m *v1.Manifest, config *v1.ConfigFile) error {
	p.manifest = v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digestOf(raw), Size: int64(len(raw))}
	if err := p.keep(p.manifest.Digest, raw); err != nil {
		return err
	}
	p.image = newImage(p.manifest.Digest, m, config)
	p.layers = nil
	for i, d := range m.Layers {
		p.layers = append(p.layers, &layer{blob: d, diffID: config.RootFS.DiffIDs[i], chainID: p.image.ChainIDs[i]})
	}
	return nil
}

// unpackStaged verifies and unpacks the layers that are not there yet, from staging
// or, where the blob is held, from the store.
func (p *pull) unpackStaged(ctx context.Context) error {
	refs, err := p.store.readRefs()
	if err != nil {
		return err
	}
	verified := p.store.verifiedLayers(refs)
	for _, l := range p.layers {
		if verified[l.blob.Digest] == l.diffID && p.store.hasBlob(l.blob) && p.unpacked.Has(l.chainID) {
			l.exists = true
			continue
		}
		path := p.stagedPath(l.blob.Digest)
		if _, err := os.Stat(path); err != nil {
			path = p.store.blobPath(l.blob.Digest)
		}
		if err := p.readHeld(ctx, path, l); err != nil {
			return fmt.Errorf("layer %s: %w", l.name(), err)
		}
	}
	return nil
}

// publishAs makes the image visible under names, or by its ID alone.
func (p *pull) publishAs(names []Reference) error {
	if err := p.publishContent(); err != nil {
		return fmt.Errorf("publish image: %w", err)
	}
	return p.store.changeRefs(func(r *refs) error {
		for _, ref := range names {
			r.set(ref, p.manifest, p.image.ID)
		}
		r.keep(descriptor(p.manifest, "", p.image.ID))
		return nil
	})
}
