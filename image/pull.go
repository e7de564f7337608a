package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// PullOptions is what a pull may be told. The zero value is useful.
type PullOptions struct {
	// Platform is os/arch[/variant]. Empty means this machine's.
	Platform string
	// Progress is told what happens. Its calls don't overlap; it should not take long.
	Progress func(Event)
}

// Event is one thing that happened in a pull.
type Event struct {
	State State
	Layer string // 12 digits of the blob's digest; empty for Resolved
	// Done and Total are bytes of the blob, for Downloading.
	Done, Total int64
}

// State is what an event tells.
type State int

// The states in the order in which they come. Layers follow one another from
// bottom to top up to Waiting, then they interleave.
const (
	Resolved         State = iota // the registry answered with a manifest
	AlreadyExists                 // the layer is there
	Waiting                       // the layer will be fetched or unpacked
	Downloading                   // Done of Total bytes were read
	DownloadComplete              // the blob is here, verified, and unpacked to staging
	PullComplete                  // the layer is published
)

// PullResult is what a pull came to.
type PullResult struct {
	Reference Reference
	Digest    string // what the registry gave for the name: an index's or a manifest's
	Updated   bool   // the name is new, or names another image than before
}

// Pull brings the image that a name stands for into the store and points the name
// at it. A pull that fails or whose context ends leaves the store as it was.
// Pulling twice is safe: the second looks at the manifest and fetches nothing.
func (s *Store) Pull(ctx context.Context, name string, o PullOptions) (img *Image, result PullResult, err error) {
	ref, err := ParseReference(name)
	if err != nil {
		return nil, result, err
	}
	if ref.Digest != "" {
		ref.Tag = ""
	}
	result.Reference = ref
	want, err := wanted(o.Platform)
	if err != nil {
		return nil, result, err
	}

	// What an earlier pull left behind when it was killed. If another image is
	// damaged this fails and costs space only; rmi, which frees space, says so.
	_ = s.Collect()
	layers, err := s.Layers()
	if err != nil {
		return nil, result, err
	}
	hold, err := s.Hold(ctx)
	if err != nil {
		return nil, result, err
	}
	p := &pull{store: s, unpacked: layers, ref: ref, progress: o.Progress}
	defer func() {
		err = errors.Join(err, p.discard(), hold.Close())
		if err != nil {
			img = nil
			if p.published {
				_ = s.Collect() // blobs and layers that the ref was to name
			}
		}
	}()

	if err := p.stage(ctx, want, o.Platform != ""); err != nil {
		return nil, result, err
	}
	result.Digest = p.top.String()
	result.Updated, err = p.publish()
	if err != nil {
		return nil, result, err
	}
	img, err = s.Get(p.image.ID)
	return img, result, err
}

// pull is one pull at work.
type pull struct {
	store    *Store
	unpacked Layers
	ref      Reference
	registry *registry
	mu       sync.Mutex
	progress func(Event)

	dir       string        // staging; its files are blobs named by their digits
	top       v1.Hash       // what the name stands for
	manifest  v1.Descriptor // of the platform
	image     *Image
	layers    []*layer // bottom to top
	published bool     // something can be seen outside of staging
}

// layer is one layer of the image.
type layer struct {
	blob    v1.Descriptor
	diffID  v1.Hash
	chainID string
	exists  bool   // blob and layer are there, nothing is to be done
	staged  Staged // nil where the layer is there
}

func (l *layer) name() string { return short(l.blob.Digest.String()) }

func (p *pull) tell(e Event) {
	if p.progress == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress(e)
}

// stage fetches what the store lacks into staging and verifies it.
func (p *pull) stage(ctx context.Context, want []v1.Platform, strict bool) error {
	var err error
	if err := os.MkdirAll(p.store.path("tmp"), 0o700); err != nil {
		return fmt.Errorf("stage image: %w", err)
	}
	if p.dir, err = os.MkdirTemp(p.store.path("tmp"), stagingPrefix); err != nil {
		return fmt.Errorf("stage image: %w", err)
	}
	if p.registry, err = connect(ctx, p.ref); err != nil {
		return err
	}
	raw, err := p.resolve(ctx, want)
	if err != nil {
		return err
	}
	m, err := parseManifest(raw)
	if err != nil {
		return err
	}
	if raw, err = asOCI(m, raw); err != nil {
		return err
	}
	p.manifest = v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digestOf(raw), Size: int64(len(raw))}
	if err := p.keep(p.manifest.Digest, raw); err != nil {
		return err
	}
	config, err := p.config(ctx, m)
	if err != nil {
		return err
	}
	if got := (v1.Platform{OS: "linux", Architecture: config.Architecture, Variant: config.Variant}); strict && rank(want, got) < 0 {
		return fmt.Errorf("image with reference %s was found but does not match the specified platform: wanted %s, actual: %s",
			p.ref.Familiar(), platformString(want[0]), platformString(normalize(got)))
	}
	p.image = newImage(p.manifest.Digest, m, config)
	for i, d := range m.Layers {
		p.layers = append(p.layers, &layer{blob: d, diffID: config.RootFS.DiffIDs[i], chainID: p.image.ChainIDs[i]})
	}
	p.tell(Event{State: Resolved})
	return p.fetchLayers(ctx)
}

// resolve follows a name through indexes to the manifest for the wanted platform.
func (p *pull) resolve(ctx context.Context, want []v1.Platform) ([]byte, error) {
	id := p.ref.Tag
	if p.ref.Digest != "" {
		id = p.ref.Digest
	}
	raw, digest, contentType, err := p.registry.manifest(ctx, id)
	if err != nil {
		return nil, err
	}
	p.top = digest
	s := search{pull: p, want: want, left: maxIndexes}
	found, err := s.descend(ctx, raw, contentType)
	if err == nil && found == nil {
		err = fmt.Errorf("no matching manifest for %s in the manifest list entries", platformString(want[0]))
	}
	return found, err
}

// maxIndexes bounds the manifests that are read to find one platform's. An index
// that contained itself, which takes a registry that lies or a broken SHA-256,
// would end there too.
const maxIndexes = 16

// search walks indexes, which may hold indexes.
type search struct {
	*pull
	want []v1.Platform
	left int
}

// descend returns the manifest that raw is or leads to, nil where it leads to none.
func (s *search) descend(ctx context.Context, raw []byte, contentType string) ([]byte, error) {
	index, err := isIndex(raw, contentType)
	if err != nil || !index {
		return raw, err
	}
	entries, err := parseIndex(raw)
	if err != nil {
		return nil, err
	}
	for _, e := range choose(entries, s.want) {
		if s.left--; s.left < 0 {
			return nil, fmt.Errorf("manifest list %s leads to more than %d manifests", s.top, maxIndexes)
		}
		// One that is held needs no request; registries count them.
		child, err := s.store.readBlob(e.Digest)
		childType := string(e.MediaType)
		if err != nil {
			if child, _, childType, err = s.registry.manifest(ctx, e.Digest.String()); err != nil {
				return nil, err
			}
		}
		if int64(len(child)) != e.Size {
			return nil, fmt.Errorf("manifest %s has %d bytes, the manifest list says %d", e.Digest, len(child), e.Size)
		}
		found, err := s.descend(ctx, child, childType)
		if err != nil || found != nil {
			return found, err
		}
	}
	return nil, nil
}

func (p *pull) config(ctx context.Context, m *v1.Manifest) (*v1.ConfigFile, error) {
	raw, err := p.store.readBlob(m.Config.Digest)
	if err != nil {
		if raw, err = p.registry.smallBlob(ctx, m.Config); err != nil {
			return nil, fmt.Errorf("image config: %w", err)
		}
	}
	config, err := parseConfig(raw, m)
	if err != nil {
		return nil, err
	}
	return config, p.keep(m.Config.Digest, raw)
}

// keep stages a blob that is in memory, unless the store has it.
func (p *pull) keep(digest v1.Hash, b []byte) error {
	if _, err := p.store.readBlob(digest); err == nil {
		return nil
	}
	if err := os.WriteFile(p.stagedPath(digest), b, 0o644); err != nil {
		return fmt.Errorf("stage image: %w", err)
	}
	return nil
}

// publish makes what is staged visible, the ref last, and reports whether the name
// now names another image.
func (p *pull) publish() (updated bool, err error) {
	if err := p.publishContent(); err != nil {
		return false, fmt.Errorf("publish image: %w", err)
	}
	err = p.store.changeRefs(func(r *refs) error {
		updated = r.set(p.ref, p.manifest, p.image.ID)
		if p.ref.Tag != "" {
			canonical := p.ref
			canonical.Tag, canonical.Digest = "", p.top.String()
			r.set(canonical, p.manifest, p.image.ID)
		}
		return nil
	})
	return updated, err
}

// publishContent renames the staged blobs and layers to their places. Before it
// their bytes reach the disk, after it the renames do: so neither a power cut here
// nor one after the ref finds a name without its content.
func (p *pull) publishContent() error {
	blobs, err := os.ReadDir(p.dir)
	if err != nil {
		return err
	}
	staged := slices.ContainsFunc(p.layers, func(l *layer) bool { return l.staged != nil })
	if len(blobs) == 0 && !staged {
		return nil
	}
	if err := os.MkdirAll(p.store.path("images", "blobs", "sha256"), 0o755); err != nil {
		return err
	}
	if err := p.unpacked.Sync(); err != nil {
		return err
	}
	p.published = true
	for _, b := range blobs {
		from := filepath.Join(p.dir, b.Name())
		if err := os.Rename(from, p.store.path("images", "blobs", "sha256", b.Name())); err != nil {
			return err
		}
	}
	for i, l := range p.layers {
		if l.staged != nil {
			if err := l.staged.Commit(l.chainID, p.image.ChainIDs[:i]); err != nil {
				return fmt.Errorf("layer %s: %w", l.name(), err)
			}
		}
		if !l.exists {
			p.tell(Event{State: PullComplete, Layer: l.name()})
		}
	}
	return p.unpacked.Sync()
}

// discard deletes what is staged. After publish that is nothing.
func (p *pull) discard() error {
	var errs []error
	for _, l := range p.layers {
		if l.staged != nil {
			errs = append(errs, l.staged.Discard())
		}
	}
	if p.registry != nil {
		p.registry.close()
	}
	if p.dir != "" {
		errs = append(errs, os.RemoveAll(p.dir))
	}
	return errors.Join(errs...)
}
