package layers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// stagingPrefix marks what in the temporary directory is this package's.
const stagingPrefix = "layer-"

// Store keeps unpacked layers. Several processes may use one at once.
type Store struct {
	Dir string // the layers
	Tmp string // staging, on the same filesystem
}

// Info describes one layer. It is also the form of the file beside it.
type Info struct {
	ChainID string `json:"chainID"`
	Size    int64  `json:"size"` // bytes of the contents of its regular files
}

// Open returns the store under root, a gocker root directory. It makes the
// directories layers and tmp when they are missing, for root alone: a layer may
// hold set-user-ID programs that are no business of the host's users.
func Open(root string) (*Store, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("open the layers: %w", err)
	}
	s := &Store{Dir: filepath.Join(root, "layers"), Tmp: filepath.Join(root, "tmp")}
	for _, dir := range []string{s.Dir, s.Tmp} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("open the layers: %w", err)
		}
	}
	return s, nil
}

// Has says whether the layer is there, and thus complete.
func (s *Store) Has(chainID string) bool {
	_, err := s.info(chainID)
	return err == nil
}

// Path returns the directory of a layer, there or not: the one to give to
// overlayfs. It is empty when chainID is not well formed.
func (s *Store) Path(chainID string) string {
	name, err := dirName(chainID)
	if err != nil {
		return ""
	}
	return filepath.Join(s.Dir, name)
}

// Stack returns the directories of chainIDs, which are given bottom to top as
// in an image, in the order of a [Stack], uppermost first.
func (s *Store) Stack(chainIDs []string) Stack {
	stack := make(Stack, 0, len(chainIDs))
	for _, id := range slices.Backward(chainIDs) {
		stack = append(stack, s.Path(id))
	}
	return stack
}

// Size returns the bytes of the contents of a layer's regular files, each hard
// linked file counted once. The error is fs.ErrNotExist when the layer is absent.
func (s *Store) Size(chainID string) (int64, error) {
	info, err := s.info(chainID)
	return info.Size, err
}

// List returns the layers that are there, ordered by chain ID.
func (s *Store) List() ([]Info, error) {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return nil, fmt.Errorf("list the layers: %w", err)
	}
	var infos []Info
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		info, err := s.read(e.Name())
		switch {
		case err == nil:
			infos = append(infos, info)
		case !errors.Is(err, fs.ErrNotExist): // else removed a moment ago
			return nil, err
		}
	}
	return infos, nil
}

// Remove takes a layer out of the store. The caller knows that no image and no
// container uses it. A layer that is absent already counts as removed.
func (s *Store) Remove(chainID string) error {
	name, err := dirName(chainID)
	if err != nil {
		return err
	}
	unlock, err := s.lock()
	if err != nil {
		return fmt.Errorf("remove layer %s: %w", chainID, err)
	}
	rubbish, err := s.retire(name)
	if err = errors.Join(err, unlock()); err != nil {
		return fmt.Errorf("remove layer %s: %w", chainID, err)
	}
	if err := os.RemoveAll(rubbish); err != nil {
		return fmt.Errorf("remove layer %s: %w", chainID, err)
	}
	return nil
}

// Sync writes everything of the store's filesystem to the disk. See syncfs(2).
func (s *Store) Sync() error {
	dir, err := os.Open(s.Dir)
	if err != nil {
		return fmt.Errorf("sync the layers: %w", err)
	}
	defer dir.Close()
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("sync the layers: %w", err)
	}
	return nil
}

// Sweep removes what killed processes left: staging directories whose lock
// nobody holds, and halves of a layer. It leaves alone what others have put
// into the temporary directory, and goes on after a failure.
func (s *Store) Sweep() error {
	entries, err := os.ReadDir(s.Tmp)
	if err != nil {
		return fmt.Errorf("sweep the layers: %w", err)
	}
	errs := []error{s.sweepHalves()}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), stagingPrefix) {
			errs = append(errs, sweepStaging(filepath.Join(s.Tmp, e.Name())))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sweep the layers: %w", err)
	}
	return nil
}

func sweepStaging(path string) error {
	dir, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil
		}
		return fmt.Errorf("lock %s: %w", path, err)
	}
	return os.RemoveAll(path)
}

// sweepHalves removes descriptions without a layer and layers without one.
func (s *Store) sweepHalves() (err error) {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		name, isInfo := strings.CutSuffix(e.Name(), ".json")
		if isInfo {
			if _, err := os.Lstat(filepath.Join(s.Dir, name)); errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, os.Remove(filepath.Join(s.Dir, e.Name())))
			}
			continue
		}
		if _, err := s.read(name); err == nil {
			continue
		}
		rubbish, err := s.retire(name)
		errs = append(errs, err, os.RemoveAll(rubbish))
	}
	return errors.Join(errs...)
}

// retire takes a layer's directory out of the layers at one stroke, before its
// description, and returns where in the temporary directory it is now, if it
// was there. Nobody locks it: whoever sweeps may remove it too. The caller holds
// the lock.
func (s *Store) retire(name string) (string, error) {
	rubbish := filepath.Join(s.Tmp, fmt.Sprintf("%s%s-%x", stagingPrefix, name, rand.Uint64()))
	err := os.Rename(filepath.Join(s.Dir, name), rubbish)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = os.Remove(filepath.Join(s.Dir, name+".json"))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return rubbish, nil
}

// info returns the description of a layer that is there.
func (s *Store) info(chainID string) (Info, error) {
	name, err := dirName(chainID)
	if err != nil {
		return Info{}, err
	}
	if _, err := os.Lstat(filepath.Join(s.Dir, name)); err != nil {
		return Info{}, fmt.Errorf("layer %s: %w", chainID, err)
	}
	info, err := s.read(name)
	if err != nil {
		return Info{}, err
	}
	if info.ChainID != chainID {
		return Info{}, fmt.Errorf("layer %s: %s holds %s: %w", chainID, name, info.ChainID, fs.ErrNotExist)
	}
	return info, nil
}

func (s *Store) read(name string) (Info, error) {
	var info Info
	data, err := os.ReadFile(filepath.Join(s.Dir, name+".json"))
	if err != nil {
		return info, fmt.Errorf("describe layer %s: %w", name, err)
	}
	if err := json.Unmarshal(data, &info); err != nil {
		return info, fmt.Errorf("describe layer %s: %w", name, err)
	}
	return info, nil
}

// lock keeps other processes from publishing and removing layers until unlock.
func (s *Store) lock() (unlock func() error, err error) {
	dir, err := os.Open(s.Dir)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(dir.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", s.Dir, err), dir.Close())
	}
	return dir.Close, nil
}
