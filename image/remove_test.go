package image

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

const (
	stopped = "111111111111"
	running = "222222222222"
)

// TestRemovingFollowsDockersRules pulls an image under some names, lets containers
// use it, removes by NAME, ID or a name, and looks at what is said and what is left.
func TestRemovingFollowsDockersRules(t *testing.T) {
	for _, c := range []struct {
		why    string
		pulled string // names, parted by spaces
		users  string
		remove string
		force  bool
		says   string // what was done, H is the registry; or the error
		left   string // the image's tags and digests, "-" when it is gone
	}{
		{"one name", "a", "", "a", false, "untagged H/a:latest, untagged H/a@D, deleted ID", "-"},
		{"one name by ID", "a", "", "ID", false, "untagged H/a:latest, untagged H/a@D, deleted ID", "-"},
		{"one name by short ID", "a", "", "SHORT", false, "untagged H/a:latest, untagged H/a@D, deleted ID", "-"},
		{"one of two tags", "a a:b", "", "a:b", false, "untagged H/a:b", "a:latest a@D"},
		{"one of two repositories", "a b", "", "b", false, "untagged H/b:latest, untagged H/b@D", "a:latest a@D"},
		{"two tags by ID", "a a:b", "", "ID", false, "conflict: unable to delete SHORT (must be forced) - image is referenced in multiple repositories", "a:b a:latest a@D"},
		{"two repositories by ID", "a b", "", "ID", false, "conflict: unable to delete SHORT (must be forced) - image is referenced in multiple repositories", "a:latest b:latest a@D b@D"},
		{"two repositories by ID, forced", "a b", "", "ID", true, "untagged H/a:latest, untagged H/b:latest, untagged H/a@D, untagged H/b@D, deleted ID", "-"},
		{"a digest that is the only name", "a@D", "", "a@D", false, "untagged H/a@D, deleted ID", "-"},
		{"a digest beside a tag", "a", "", "a@D", false, "untagged H/a@D", "a:latest"},
		{"a tag and a digest: the digest counts", "a", "", "a:latest@D", false, "untagged H/a@D", "a:latest"},

		{"the last name of a used image", "a", stopped, "a", false, `conflict: unable to remove repository reference "H/a" (must force) - container 111111111111 is using its referenced image SHORT`, "a:latest a@D"},
		{"one of two names of a used image", "a b", stopped, "a", false, "untagged H/a:latest, untagged H/a@D", "b:latest b@D"},
		{"a used image by ID", "a", stopped, "ID", false, "conflict: unable to delete SHORT (must be forced) - image is being used by stopped container 111111111111", "a:latest a@D"},
		{"a used image, forced", "a", stopped, "a", true, "untagged H/a:latest, untagged H/a@D, deleted ID", "-"},
		{"a used image by ID, forced", "a", stopped, "ID", true, "untagged H/a:latest, untagged H/a@D, deleted ID", "-"},
		{"a running image, forced: only its names go", "a", running, "a", true, "untagged H/a:latest, untagged H/a@D", ""},
		{"a running image by ID, forced", "a", running, "ID", true, "conflict: unable to delete SHORT (cannot be forced) - image is being used by running container 222222222222", "a:latest a@D"},
		{"a running and a stopped container", "a", stopped + " " + running, "ID", false, "conflict: unable to delete SHORT (cannot be forced) - image is being used by running container 222222222222", "a:latest a@D"},
		{"another name", "a", "", "c", false, "No such image: H/c:latest", "a:latest a@D"},
	} {
		t.Run(c.why, func(t *testing.T) {
			s, layers := newStore(t)
			r := newRegistry(t)
			d := r.push("latest", r.image("one", "two"))
			r.push("b", r.image("one", "two"))
			var img *Image
			words := strings.NewReplacer("H", r.Listener.Addr().String(), "D", d.Digest.String())
			for n := range strings.FieldsSeq(c.pulled) {
				var err error
				if img, _, err = s.Pull(t.Context(), words.Replace("H/"+n), PullOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			s.Users = func() (users []User, err error) {
				for id := range strings.FieldsSeq(c.users) {
					users = append(users, User{ID: id + strings.Repeat("0", 52), ImageID: img.ID, Running: id == running, ChainIDs: img.ChainIDs})
				}
				return users, nil
			}

			words = strings.NewReplacer("ID", img.ID, "SHORT", short(img.ID), "H", r.Listener.Addr().String(), "D", d.Digest.String())
			arg := words.Replace(c.remove)
			if c.remove != "ID" && c.remove != "SHORT" {
				arg = words.Replace("H/" + c.remove)
			}
			done, err := s.Remove(arg, c.force)
			var said []string
			for _, d := range done {
				switch {
				case d.Untagged != "":
					said = append(said, "untagged "+d.Untagged)
				case !slices.Contains(img.ChainIDs, d.Deleted):
					said = append(said, "deleted "+d.Deleted)
				}
			}
			if err != nil {
				said = append(said, err.Error())
			}
			if got, want := strings.Join(said, ", "), words.Replace(c.says); got != want {
				t.Errorf("said\n%s\nwant\n%s", got, want)
			}

			left := "-"
			if after, err := s.Get(img.ID); err == nil {
				left = strings.Join(append(after.Tags(), after.Digests()...), " ")
			} else if !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
			left = strings.NewReplacer(r.Listener.Addr().String()+"/", "", d.Digest.String(), "D").Replace(left)
			if left != c.left {
				t.Errorf("left are %q, want %q", left, c.left)
			}
			blobs, err := os.ReadDir(s.path("images/blobs/sha256"))
			if gone := len(blobs) == 0; err != nil || gone != (c.left == "-") {
				t.Errorf("%d blobs are left, %v", len(blobs), err)
			}
			if unpacked, _ := layers.List(); (len(unpacked) == 0) != (c.left == "-" && c.users == "") {
				t.Errorf("%d layers are left", len(unpacked))
			}
		})
	}
}

func TestASharedLayerStaysUntilItsLastUserGoes(t *testing.T) {
	s, layers := newStore(t)
	r := newRegistry(t)
	chains := make(map[string][]string)
	for _, tag := range []string{"one", "two"} {
		r.push(tag, r.image("base", tag))
		img, _, err := s.Pull(t.Context(), r.name("a:")+tag, PullOptions{})
		if err != nil {
			t.Fatal(err)
		}
		chains[tag] = img.ChainIDs
	}
	var users []User
	s.Users = func() ([]User, error) { return users, nil }
	held := func(want ...string) {
		t.Helper()
		got, err := layers.List()
		slices.Sort(want)
		if slices.Sort(got); err != nil || !slices.Equal(got, slices.Compact(want)) {
			t.Errorf("layers are %q, %v; want %q", got, err, want)
		}
	}
	remove := func(name string) {
		t.Helper()
		if _, err := s.Remove(name, true); err != nil {
			t.Fatal(err)
		}
	}
	remove(r.name("a:one"))
	held(chains["two"]...)
	users = []User{{ID: stopped, ImageID: "sha256:another", ChainIDs: chains["two"][:1]}}
	remove(r.name("a:two"))
	held(chains["two"][0])
	users = nil
	if err := s.Collect(); err != nil {
		t.Fatal(err)
	}
	held()
}

func TestWhileTheStoreIsHeldNothingIsSwept(t *testing.T) {
	s, layers := newStore(t)
	r := newRegistry(t)
	r.push("latest", r.image("one"))
	img, _, err := s.Pull(t.Context(), r.name("a"), PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	hold, err := s.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done, err := s.Remove(r.name("a"), false)
	if err != nil || done[len(done)-1].Deleted != img.ID {
		t.Errorf("Remove: %+v, %v", done, err)
	}
	if s.has(img.ID) || !layers.Has(img.ChainIDs[0]) {
		t.Errorf("image is listed: %v; layer is there: %v", s.has(img.ID), layers.Has(img.ChainIDs[0]))
	}
	if err := hold.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Collect(); err != nil || layers.Has(img.ChainIDs[0]) {
		t.Errorf("after the hold: %v; layer is there: %v", err, layers.Has(img.ChainIDs[0]))
	}
}

func TestNothingIsSweptWhileAnImageOrTheContainersCannotBeRead(t *testing.T) {
	s, layers := newStore(t)
	r := newRegistry(t)
	for _, tag := range []string{"one", "two"} {
		r.push(tag, r.image(tag))
		if _, _, err := s.Pull(t.Context(), r.name("a:")+tag, PullOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	two, err := s.Get(r.name("a:two"))
	if err != nil {
		t.Fatal(err)
	}
	s.Users = func() ([]User, error) { return nil, errors.New("records can't be read") }
	_, err = s.Remove(r.name("a:one"), false)
	wantError(t, err, "records can't be read")
	s.Users = nil
	if !s.has(r.name("a:one")) {
		t.Error("the image was removed although its users are unknown")
	}

	if err := os.WriteFile(s.blobPath(digestIn(two.ManifestDigest)), []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = s.Remove(r.name("a:one"), false)
	wantError(t, err, "sweep images", "is damaged")
	if unpacked, _ := layers.List(); len(unpacked) != 2 {
		t.Errorf("%d layers are left, want both", len(unpacked))
	}
	// The damaged one itself can be removed, and then everything is swept.
	if _, err := s.Remove(r.name("a:two"), false); err != nil {
		t.Error(err)
	}
	if unpacked, _ := layers.List(); len(unpacked) != 0 {
		t.Errorf("%d layers are left, want none", len(unpacked))
	}
}
