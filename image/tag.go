package image

import "errors"

// Tag gives an image, found by name or ID, one more name. A name that another image
// has goes over to this one. Doing it twice is safe.
func (s *Store) Tag(nameOrID, target string) error {
	ref, err := ParseReference(target)
	if err != nil {
		return err
	}
	if ref.Digest != "" {
		return errors.New("refusing to create a tag with a digest reference")
	}
	return s.changeRefs(func(r *refs) error {
		d, _, err := r.lookup(nameOrID)
		if err != nil {
			return err
		}
		r.set(ref, d, d.Annotations[idAnnotation])
		return nil
	})
}
