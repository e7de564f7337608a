package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"gocker/container/quickjson"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sys/unix"
)

// Annotations of the descriptors in index.json. The first is the OCI image
// spec's. The second saves Get from reading every manifest to find an ID.
const (
	refAnnotation = "org.opencontainers.image.ref.name"
	idAnnotation  = "gocker.image.id"
)

// nameOf is a descriptor's ref, and for an image without one its digest.
func nameOf(d v1.Descriptor) string {
	if ref := d.Annotations[refAnnotation]; ref != "" {
		return ref
	}
	return d.Digest.String()
}

// refs is index.json: descriptors of manifests, each with one ref or, for an
// image that lost its last one, with none.
type refs struct{ v1.IndexManifest }

// set points a ref at a manifest. It reports whether the ref was new or pointed
// at another image. An image that loses its last ref so stays, without a name.
func (r *refs) set(ref Reference, d v1.Descriptor, id string) bool {
	old := r.remove(ref)
	r.Manifests = append(r.Manifests, descriptor(d, ref.String(), id))
	r.Manifests = slices.DeleteFunc(r.Manifests, func(d v1.Descriptor) bool {
		return d.Annotations[idAnnotation] == id && d.Annotations[refAnnotation] == ""
	})
	if old == nil {
		return true
	}
	r.keep(*old)
	return old.Annotations[idAnnotation] != id
}

// remove takes a ref away and returns its descriptor, nil where there was none.
func (r *refs) remove(ref Reference) *v1.Descriptor {
	i := r.find(ref)
	if i < 0 {
		return nil
	}
	old := r.Manifests[i]
	r.Manifests = slices.Delete(r.Manifests, i, i+1)
	return &old
}

// keep makes sure that an image whose ref was removed is still listed.
func (r *refs) keep(old v1.Descriptor) {
	id := old.Annotations[idAnnotation]
	if len(r.of(id)) == 0 {
		r.Manifests = append(r.Manifests, descriptor(old, "", id))
	}
}

// drop removes every descriptor of an image.
func (r *refs) drop(id string) {
	r.Manifests = slices.DeleteFunc(r.Manifests, func(d v1.Descriptor) bool {
		return d.Annotations[idAnnotation] == id
	})
}

// find is the place of a ref, -1 where there is none.
func (r *refs) find(ref Reference) int {
	if ref.Digest != "" {
		ref.Tag = ""
	}
	name := ref.String()
	return slices.IndexFunc(r.Manifests, func(d v1.Descriptor) bool {
		return d.Annotations[refAnnotation] == name
	})
}

// of returns the descriptors of an image.
func (r *refs) of(id string) []v1.Descriptor {
	var all []v1.Descriptor
	for _, d := range r.Manifests {
		if d.Annotations[idAnnotation] == id {
			all = append(all, d)
		}
	}
	return all
}

func descriptor(d v1.Descriptor, ref, id string) v1.Descriptor {
	d.Annotations = map[string]string{idAnnotation: id}
	if ref != "" {
		d.Annotations[refAnnotation] = ref
	}
	return d
}

// readRefs reads index.json; a store without one has no refs.
func (s *Store) readRefs() (*refs, error) {
	var r refs
	path := s.path("images", "index.json")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read refs: %w", err)
	}
	if err := quickjson.Unmarshal(b, &r.IndexManifest); err != nil {
		return nil, fmt.Errorf("read refs: %s: %w", path, err)
	}
	return &r, nil
}

// changeRefs changes index.json under its lock: a reader sees the old or the new
// one, also after a power cut. It writes nothing when nothing changed or change
// fails.
func (s *Store) changeRefs(change func(*refs) error) (err error) {
	if err := os.MkdirAll(s.path("images", "blobs", "sha256"), 0o755); err != nil {
		return fmt.Errorf("change refs: %w", err)
	}
	dir, err := os.Open(s.path("images"))
	if err != nil {
		return fmt.Errorf("change refs: %w", err)
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if err := flock(dir, unix.LOCK_EX); err != nil {
		return fmt.Errorf("change refs: %w", err)
	}

	r, err := s.readRefs()
	if err != nil {
		return err
	}
	before, err := json.Marshal(r.IndexManifest)
	if err != nil {
		return fmt.Errorf("change refs: %w", err)
	}
	if err := change(r); err != nil {
		return err
	}
	r.SchemaVersion, r.MediaType = 2, types.OCIImageIndex
	if r.Manifests == nil {
		r.Manifests = []v1.Descriptor{}
	}
	after, err := json.Marshal(r.IndexManifest)
	if err != nil || string(before) == string(after) {
		return err
	}
	version := s.path("images", "oci-layout")
	if _, err := os.Stat(version); err != nil {
		if err := replaceFile(version, []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
			return fmt.Errorf("change refs: %w", err)
		}
	}
	if err := replaceFile(s.path("images", "index.json"), after); err != nil {
		return fmt.Errorf("change refs: %w", err)
	}
	return nil
}

// replaceFile writes a file beside the old one, syncs it and renames it over the
// old one. The caller holds a lock, so that a temporary left by a kill is reused.
func replaceFile(path string, b []byte) (err error) {
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp) // gone already when only the directory's sync failed
		}
	}()
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
