package layers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Staged is a layer that is unpacked and not yet in the store. It ends with
// Commit or Discard. The methods are for one goroutine at a time.
type Staged struct {
	store *Store
	path  string
	tree  *tree
	found findings
}

// Stage unpacks the uncompressed tar r into a new directory and reads r to its
// end, past the end of the archive. r answers io.EOF only when all its digests
// have matched; any other error of r, of the tar or of the disk leaves nothing
// behind. Stages may run in parallel.
func (s *Store) Stage(ctx context.Context, r io.Reader) (*Staged, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("unpacking a layer requires root (CAP_CHOWN, CAP_FOWNER, CAP_MKNOD, CAP_SYS_ADMIN)")
	}
	path, fd, err := s.makeStaging()
	if err != nil {
		return nil, fmt.Errorf("unpack a layer: %w", err)
	}
	st := &Staged{store: s, path: path, tree: newTree(fd)}
	u := newUnpacker(st.tree)
	if err := u.unpack(ctx, r); err != nil {
		return nil, errors.Join(fmt.Errorf("unpack a layer: %w", err), st.Discard())
	}
	st.found = u.findings
	return st, nil
}

// makeStaging makes a directory and locks it.
func (s *Store) makeStaging() (path string, fd int, err error) {
	for {
		path, err = os.MkdirTemp(s.Tmp, stagingPrefix)
		if err != nil {
			return "", -1, err
		}
		fd, err = lockStaging(path)
		if err == nil {
			return path, fd, nil
		}
		if !errors.Is(err, errSwept) {
			return "", -1, errors.Join(err, os.Remove(path))
		}
	}
}

// errSwept says that a sweep came between the making of a staging directory and
// its lock.
var errSwept = errors.New("swept")

func lockStaging(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return -1, errSwept
	}
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", path, err)
	}
	var st unix.Stat_t
	err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	switch {
	case errors.Is(err, unix.EWOULDBLOCK), err == nil && st.Nlink == 0:
		err = errSwept
	case err != nil:
		err = fmt.Errorf("lock %s: %w", path, err)
	default:
		// A layer's root that no entry describes is as GNU tar and docker have it.
		err = unix.Fchmod(fd, 0o755)
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// Size is the bytes of the contents of the layer's regular files.
func (st *Staged) Size() int64 { return st.found.size }

// Commit puts the layer into the store as chainID, above parents, which are the
// chain IDs of the layers below it, bottom to top, all of them there. A
// directory that the tar does not mention gets the mode, owner, times and
// extended attributes that it has in the layers below. When the layer is there
// already, Commit discards and succeeds. After a failure there is Discard.
func (st *Staged) Commit(chainID string, parents []string) error {
	if err := st.commit(chainID, parents); err != nil {
		return fmt.Errorf("commit layer %s: %w", chainID, err)
	}
	return nil
}

func (st *Staged) commit(chainID string, parents []string) (err error) {
	name, err := dirName(chainID)
	if err != nil {
		return err
	}
	if st.tree == nil {
		return errors.New("committed or discarded before")
	}
	if st.store.Has(chainID) {
		return st.Discard()
	}
	for _, p := range parents {
		if _, err := st.store.info(p); err != nil {
			return err
		}
	}
	if err := st.fitOn(st.store.Stack(parents)); err != nil {
		return err
	}

	unlock, err := st.store.lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if st.store.Has(chainID) {
		return st.Discard()
	}
	target := filepath.Join(st.store.Dir, name)
	if _, err := os.Lstat(target); err == nil {
		if err := st.store.evict(name); err != nil {
			return err
		}
	}
	data, err := json.Marshal(Info{ChainID: chainID, Size: st.found.size})
	if err != nil {
		return err
	}
	// Not yet the layer: a description without a directory counts for nothing.
	if err := os.WriteFile(target+".json", data, 0o600); err != nil {
		return err
	}
	if err := os.Rename(st.path, target); err != nil {
		return err
	}
	err = st.tree.close()
	st.tree = nil
	return err
}

// evict makes room for a layer of the same name when a power cut has left that
// one without its description. The caller holds the lock.
func (s *Store) evict(name string) error {
	if info, err := s.read(name); err == nil {
		return fmt.Errorf("%s holds %s", name, info.ChainID)
	}
	rubbish, err := s.retire(name)
	return errors.Join(err, os.RemoveAll(rubbish))
}

// Discard removes what was unpacked. After Commit, and a second time, it does
// nothing.
func (st *Staged) Discard() error {
	if st.tree == nil {
		return nil
	}
	err := errors.Join(os.RemoveAll(st.path), st.tree.close())
	st.tree = nil
	if err != nil {
		return fmt.Errorf("discard a staged layer: %w", err)
	}
	return nil
}
