package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// stagingPrefix begins the names of pulls' directories in ROOT/tmp.
const stagingPrefix = "pull-"

// Collect removes what nothing names: blobs and layers of no image and no
// container, and what killed pulls left in ROOT/tmp. While anyone holds the store
// it does nothing: whoever removes next does it then. Pull and Remove call it; a
// caller that removed a container may.
func (s *Store) Collect() error {
	lock, err := s.tryExclusive()
	if lock == nil || err != nil {
		return err
	}
	_, err = s.sweep()
	return errors.Join(err, lock.Close())
}

// sweep is Collect under the exclusive lock. It returns the chain IDs of the
// layers that it removed. If an image or the containers can't be read, nothing is
// known to be unused and nothing but staging is removed.
func (s *Store) sweep() ([]string, error) {
	layers, err := s.Layers()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.sweepStaging(), layers.Sweep()); err != nil {
		return nil, err
	}
	usedBlobs, usedLayers, err := s.mark()
	if err != nil {
		return nil, fmt.Errorf("sweep images: %w", err)
	}
	removed, err := sweepLayers(layers, usedLayers)
	if err := errors.Join(err, s.sweepBlobs(usedBlobs)); err != nil {
		return removed, fmt.Errorf("sweep images: %w", err)
	}
	return removed, nil
}

// sweepStaging removes the directories of pulls. Every living pull holds the shared
// lock, so under the exclusive one they are all dead.
func (s *Store) sweepStaging() error {
	entries, err := readDir(s.path("tmp"))
	if err != nil {
		return fmt.Errorf("sweep staging: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), stagingPrefix) {
			errs = append(errs, os.RemoveAll(s.path("tmp", e.Name())))
		}
	}
	return errors.Join(errs...)
}

// mark returns the digits of the blobs and the chain IDs of the layers in use.
func (s *Store) mark() (blobs, layers map[string]bool, err error) {
	blobs, layers = make(map[string]bool), make(map[string]bool)
	r, err := s.readRefs()
	if err != nil {
		return nil, nil, err
	}
	for _, d := range r.Manifests {
		img, err := s.load(d)
		if err != nil {
			return nil, nil, err
		}
		for _, d := range append([]v1.Descriptor{d, img.manifest.Config}, img.manifest.Layers...) {
			blobs[d.Digest.Hex] = true
		}
		for _, id := range img.ChainIDs {
			layers[id] = true
		}
	}
	users, err := s.users()
	if err != nil {
		return nil, nil, err
	}
	for _, u := range users {
		for _, id := range u.ChainIDs {
			layers[id] = true
		}
	}
	return blobs, layers, nil
}

func (s *Store) users() ([]User, error) {
	if s.Users == nil {
		return nil, nil
	}
	users, err := s.Users()
	if err != nil {
		return nil, fmt.Errorf("containers that use images: %w", err)
	}
	return users, nil
}

func sweepLayers(layers Layers, used map[string]bool) (removed []string, err error) {
	all, err := layers.List()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, id := range all {
		if used[id] {
			continue
		}
		if err := layers.Remove(id); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, id)
	}
	return removed, errors.Join(errs...)
}

func (s *Store) sweepBlobs(used map[string]bool) error {
	entries, err := readDir(s.path("images", "blobs", "sha256"))
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !used[e.Name()] {
			errs = append(errs, os.Remove(s.path("images", "blobs", "sha256", e.Name())))
		}
	}
	return errors.Join(errs...)
}

// readDir is os.ReadDir for a directory that may not exist yet.
func readDir(path string) ([]os.DirEntry, error) {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}
