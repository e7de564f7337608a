package image

import "errors"

// Prune removes the images that no container is made of and that which lets pass:
// those without a tag or, with all, tagged ones too. It returns what it did, and
// how many bytes the layers had that went with them. While a pull or a start is under
// way layers stay, for the next Remove, Pull or Prune.
func (s *Store) Prune(all bool, which func(*Image) bool) (done []Removal, bytes int64, err error) {
	lock, err := s.tryExclusive()
	if err != nil {
		return nil, 0, err
	}
	if lock != nil {
		defer func() { err = errors.Join(err, lock.Close()) }()
	}
	users, err := s.users()
	if err != nil {
		return nil, 0, err
	}
	used := make(map[string]bool)
	for _, u := range users {
		used[u.ImageID] = true
	}
	images, err := s.List()
	if err != nil {
		return nil, 0, err
	}
	err = s.changeRefs(func(r *refs) error {
		for _, img := range images {
			if used[img.ID] || !all && len(img.Tags()) > 0 || !which(img) {
				continue
			}
			c := &removal{refs: r, id: img.ID}
			for _, ref := range c.names() {
				c.untag(ref)
			}
			r.drop(img.ID)
			done = append(done, append(c.done, Removal{Deleted: img.ID})...)
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	if len(done) == 0 || lock == nil {
		return done, 0, nil
	}
	layers, err := s.Layers()
	if err != nil {
		return done, 0, err
	}
	sizes := make(map[string]int64)
	ids, err := layers.List()
	if err != nil {
		return done, 0, err
	}
	for _, id := range ids {
		// One that can't be read is swept without being counted.
		sizes[id], _ = layers.Size(id)
	}
	removed, err := s.sweep()
	for _, id := range removed {
		done = append(done, Removal{Deleted: id})
		bytes += sizes[id]
	}
	return done, bytes, err
}
