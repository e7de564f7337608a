package image

import (
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Removal is one thing that Remove did, in docker's two words: one field is set.
type Removal struct {
	Untagged string // a name as people type it
	Deleted  string // an image's ID or a layer's chain ID
}

// Remove takes an image's name away and, with the last one, the image; an ID takes
// all names at once. The rules are docker's:
//
//   - the last name of an image with containers stays, unless force;
//   - an ID whose image has names in several repositories is refused, unless force;
//   - with force an image with stopped containers goes, and its layers stay for
//     them; one with running containers only loses its name.
//
// Blobs and layers that nothing else uses are removed at once or, while a pull or a
// start is under way, by the next Remove or Pull. What was done before an error is
// returned with it.
func (s *Store) Remove(nameOrID string, force bool) (done []Removal, err error) {
	// Held, this lock also says that no container is being started: users is true.
	lock, err := s.tryExclusive()
	if err != nil {
		return nil, err
	}
	if lock != nil {
		defer func() { err = errors.Join(err, lock.Close()) }()
	}
	users, err := s.users()
	if err != nil {
		return nil, err
	}
	deleted := false
	err = s.changeRefs(func(r *refs) error {
		done, deleted, err = removeFrom(r, nameOrID, force, users)
		return err
	})
	if err != nil {
		return nil, err
	}
	if deleted && lock != nil {
		var layers []string
		layers, err = s.sweep()
		for _, id := range layers {
			done = append(done, Removal{Deleted: id})
		}
	}
	return done, err
}

// removal is one image being removed from the refs.
type removal struct {
	refs  *refs
	arg   string // as given
	id    string
	last  v1.Descriptor // names the image's manifest when all refs are gone
	force bool
	users []User // of this image
	done  []Removal
}

// removeFrom does Remove's work on the refs and reports whether the image itself
// went.
func removeFrom(r *refs, nameOrID string, force bool, users []User) (done []Removal, deleted bool, err error) {
	d, named, err := r.lookup(nameOrID)
	if err != nil {
		return nil, false, err
	}
	c := &removal{refs: r, arg: nameOrID, id: d.Annotations[idAnnotation], last: d, force: force}
	for _, u := range users {
		if u.ImageID == c.id {
			c.users = append(c.users, u)
		}
	}
	if named {
		deleted, err = c.removeName()
	} else {
		deleted, err = c.removeID()
	}
	if err != nil {
		return nil, false, err
	}
	if deleted {
		r.drop(c.id)
		c.done = append(c.done, Removal{Deleted: c.id})
	} else {
		r.keep(c.last)
	}
	return c.done, deleted, nil
}

func (c *removal) removeName() (deleted bool, err error) {
	ref, err := ParseReference(c.arg)
	if err != nil {
		return false, err
	}
	if !c.force && len(c.users) > 0 && singleReference(c.names()) {
		return false, fmt.Errorf("conflict: unable to remove repository reference %q (must force) - container %s is using its referenced image %s",
			c.arg, short(c.users[0].ID), short(c.id))
	}
	c.untag(ref)
	// A repository that lost its last tag loses its digests too, or the image could
	// only be removed by those.
	sameRepository := func(other Reference) bool { return other.Name() == ref.Name() }
	if ref.Digest == "" && !slices.ContainsFunc(c.names(), func(other Reference) bool { return sameRepository(other) && other.Digest == "" }) {
		for _, other := range c.names() {
			if sameRepository(other) {
				c.untag(other)
			}
		}
	}
	inUse := c.running() != nil || len(c.users) > 0 && !c.force
	return len(c.names()) == 0 && !inUse, nil
}

func (c *removal) removeID() (deleted bool, err error) {
	refuse := func(how, why string) (bool, error) {
		return false, fmt.Errorf("conflict: unable to delete %s (%s) - %s", short(c.id), how, why)
	}
	if u := c.running(); u != nil {
		return refuse("cannot be forced", "image is being used by running container "+short(u.ID))
	}
	if !c.force && !singleReference(c.names()) {
		return refuse("must be forced", "image is referenced in multiple repositories")
	}
	if !c.force && len(c.users) > 0 {
		return refuse("must be forced", "image is being used by stopped container "+short(c.users[0].ID))
	}
	for _, ref := range c.names() {
		c.untag(ref)
	}
	return true, nil
}

func (c *removal) names() []Reference { return c.refs.namesOf(c.id) }

func (c *removal) untag(ref Reference) {
	if ref.Digest != "" {
		ref.Tag = ""
	}
	c.refs.remove(ref)
	c.done = append(c.done, Removal{Untagged: ref.Familiar()})
}

func (c *removal) running() *User {
	for i := range c.users {
		if c.users[i].Running {
			return &c.users[i]
		}
	}
	return nil
}

// singleReference reports whether the names are at most one tag and the digests of
// its repository: what one pull makes.
func singleReference(names []Reference) bool {
	tags := 0
	for _, n := range names {
		if n.Name() != names[0].Name() {
			return false
		}
		if n.Digest == "" {
			tags++
		}
	}
	return tags <= 1
}
