package image

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Get returns the image that a name or an ID stands for. A name gets docker's
// defaults; an ID is sha256: and 64 digits, or the first digits of it where no
// other image begins so. Of an image that is looked up by name, index.json, one
// manifest and one config are read. The error wraps ErrNotFound where there is none.
func (s *Store) Get(nameOrID string) (*Image, error) {
	r, err := s.readRefs()
	if err != nil {
		return nil, err
	}
	found, _, err := r.lookup(nameOrID)
	if err != nil {
		return nil, err
	}
	return s.loadWithRefs(r, found)
}

// List returns all images, the newest first. An image that is damaged is an error:
// which, and what to do, it says.
func (s *Store) List() ([]*Image, error) {
	r, err := s.readRefs()
	if err != nil {
		return nil, err
	}
	var all []*Image
	seen := make(map[string]bool)
	for _, d := range r.Manifests {
		if id := d.Annotations[idAnnotation]; seen[id] {
			continue
		} else {
			seen[id] = true
		}
		img, err := s.loadWithRefs(r, d)
		if err != nil {
			return nil, err
		}
		all = append(all, img)
	}
	slices.SortStableFunc(all, func(a, b *Image) int { return b.Created().Compare(a.Created()) })
	return all, nil
}

func (s *Store) loadWithRefs(r *refs, d v1.Descriptor) (*Image, error) {
	img, err := s.load(d)
	if err != nil {
		return nil, err
	}
	img.Refs = r.namesOf(img.ID)
	return img, nil
}

// namesOf returns an image's refs, tags before digests, each sorted.
func (r *refs) namesOf(id string) []Reference {
	var names []Reference
	for _, d := range r.of(id) {
		if ref, err := ParseReference(d.Annotations[refAnnotation]); err == nil {
			names = append(names, ref)
		}
	}
	slices.SortFunc(names, func(a, b Reference) int {
		return cmp.Or(strings.Compare(a.Digest, b.Digest), strings.Compare(a.String(), b.String()))
	})
	return names
}

// lookup finds the descriptor that a name or an ID stands for, and tells whether
// it was a name.
func (r *refs) lookup(nameOrID string) (d v1.Descriptor, named bool, err error) {
	hex := strings.TrimPrefix(nameOrID, "sha256:")
	full := isHex(hex) && len(hex) == 64
	ref, parseErr := ParseReference(nameOrID)
	if !full && parseErr == nil {
		if i := r.find(ref); i >= 0 {
			return r.Manifests[i], true, nil
		}
	}
	if isHex(hex) {
		found := make(map[string]v1.Descriptor)
		for _, d := range r.Manifests {
			if id := d.Annotations[idAnnotation]; strings.HasPrefix(id, "sha256:"+hex) {
				found[id] = d
			}
		}
		if len(found) > 1 {
			return d, false, fmt.Errorf("image ID %s is ambiguous: %d images begin so", nameOrID, len(found))
		}
		for _, d := range found {
			return d, false, nil
		}
	}
	switch {
	case full:
		return d, false, &notFoundError{nameOrID}
	case parseErr != nil:
		return d, false, parseErr
	}
	return d, false, &notFoundError{ref.Familiar()}
}

// notFoundError says docker's sentence.
type notFoundError struct{ name string }

func (e *notFoundError) Error() string { return "No such image: " + e.name }
func (e *notFoundError) Unwrap() error { return ErrNotFound }
