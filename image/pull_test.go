package image

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func TestAnImageOfAnyFormIsPulled(t *testing.T) {
	plain := tarOf("three")
	for form, push := range map[string]func(r *testRegistry) v1.Descriptor{
		"OCI, gzip":            func(r *testRegistry) v1.Descriptor { return r.push("latest", r.image("one", "two")) },
		"no layers":            func(r *testRegistry) v1.Descriptor { return r.push("latest", r.image()) },
		"the same layer twice": func(r *testRegistry) v1.Descriptor { return r.push("latest", r.image("one", "two", "one")) },
		"docker schema 2": func(r *testRegistry) v1.Descriptor {
			img := r.image()
			img.manifest.MediaType = types.DockerManifestSchema2
			r.layer(img, types.DockerLayer, plain, gzipOf(plain))
			return r.push("latest", img)
		},
		"zstd": func(r *testRegistry) v1.Descriptor {
			img := r.image("one")
			r.layer(img, types.OCILayerZStd, plain, zstdOf(plain))
			return r.push("latest", img)
		},
		"zstd after a skippable frame": func(r *testRegistry) v1.Descriptor {
			img := r.image("one")
			r.layer(img, types.OCILayerZStd, plain, append([]byte("\x51\x2a\x4d\x18\x02\x00\x00\x00hi"), zstdOf(plain)...))
			return r.push("latest", img)
		},
		"uncompressed": func(r *testRegistry) v1.Descriptor {
			img := r.image("one")
			r.layer(img, types.OCIUncompressedLayer, plain, plain)
			return r.push("latest", img)
		},
		"gzip of three members": func(r *testRegistry) v1.Descriptor {
			img := r.image("one")
			r.layer(img, types.OCILayer, plain, gzipOf(plain[:100], plain[100:700], plain[700:]))
			return r.push("latest", img)
		},
		"gzip under the name of a plain tar": func(r *testRegistry) v1.Descriptor {
			img := r.image("one")
			r.layer(img, types.OCIUncompressedLayer, plain, gzipOf(plain))
			return r.push("latest", img)
		},
		"an empty blob for an empty tar": func(r *testRegistry) v1.Descriptor {
			img := r.image("one")
			r.layer(img, types.OCILayer, nil, nil)
			return r.push("latest", img)
		},
		"an OCI index": func(r *testRegistry) v1.Descriptor {
			return r.tag("latest", types.OCIImageIndex, v1.IndexManifest{
				SchemaVersion: 2, MediaType: types.OCIImageIndex,
				Manifests: []v1.Descriptor{r.push("", r.image("one"))},
			})
		},
		"a docker manifest list": func(r *testRegistry) v1.Descriptor {
			return r.tag("latest", types.DockerManifestList, v1.IndexManifest{
				SchemaVersion: 2, MediaType: types.DockerManifestList,
				Manifests: []v1.Descriptor{r.push("", r.image("one"))},
			})
		},
		"an index in an index": func(r *testRegistry) v1.Descriptor {
			inner := r.tag("", types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{r.push("", r.image("one"))}})
			return r.tag("latest", types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{inner}})
		},
	} {
		t.Run(form, func(t *testing.T) {
			s, layers := newStore(t)
			r := newRegistry(t)
			top := push(r)
			img, result, err := s.Pull(t.Context(), r.name("a"), PullOptions{Platform: "linux/amd64"})
			if err != nil {
				t.Fatal(err)
			}
			if !result.Updated || result.Digest != top.Digest.String() {
				t.Errorf("result is %+v, want updated and %s", result, top.Digest)
			}
			if want := []string{r.name("a") + ":latest"}; !slices.Equal(img.Tags(), want) {
				t.Errorf("tags are %q, want %q", img.Tags(), want)
			}
			if want := []string{r.name("a") + "@" + top.Digest.String()}; !slices.Equal(img.Digests(), want) {
				t.Errorf("digests are %q, want %q", img.Digests(), want)
			}
			for i, chain := range img.ChainIDs {
				b, err := os.ReadFile(layers.file(chain))
				if err != nil || digestOf(b).String() != img.DiffIDs[i] {
					t.Errorf("layer %d: digest %s, %v; want %s", i, digestOf(b), err, img.DiffIDs[i])
				}
			}
			if left, _ := os.ReadDir(s.path("tmp")); len(left) > 0 {
				t.Errorf("left in tmp: %v", left)
			}
			skopeoReads(t, s, r.name("a")+":latest", img)
		})
	}
}

// skopeoReads checks the layout with another program's eyes.
func skopeoReads(t *testing.T, s *Store, ref string, img *Image) {
	t.Helper()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not installed: its reading of the layout is not checked")
	}
	if len(img.DiffIDs) == 0 {
		return // skopeo refuses images without layers
	}
	to := t.TempDir()
	out, err := exec.Command("skopeo", "--insecure-policy", "copy", "oci:"+s.path("images")+":"+ref, "dir:"+to).CombinedOutput()
	if err != nil {
		t.Fatalf("skopeo copy: %v\n%s", err, out)
	}
	manifest, err := os.ReadFile(to + "/manifest.json")
	if err != nil || digestOf(manifest).String() != img.ManifestDigest {
		t.Errorf("skopeo read manifest %s, %v; want %s", digestOf(manifest), err, img.ManifestDigest)
	}
}

func TestABrokenDownloadGoesOnWhereItBroke(t *testing.T) {
	s, _ := newStore(t)
	r := newRegistry(t)
	img := r.image(strings.Repeat("long ", 1000))
	r.push("latest", img)
	id := img.manifest.Layers[0].Digest.String()
	blob, broke := r.blobs[id], 0
	r.serve[id] = func(w http.ResponseWriter, req *http.Request) {
		if broke++; broke <= 4 {
			breaksAt(blob, 10*broke)(w, req)
			return
		}
		http.ServeContent(w, req, "", testTime, bytes.NewReader(blob))
	}
	if _, _, err := s.Pull(t.Context(), r.name("a"), PullOptions{}); err != nil {
		t.Error(err)
	}
	if broke != 5 {
		t.Errorf("%d requests, want 5", broke)
	}
}

func TestASecondPullFetchesNothing(t *testing.T) {
	s, _ := newStore(t)
	r := newRegistry(t)
	d := r.push("", r.image("one", "two"))
	r.tag("latest", types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{d}})
	pull := func() (result PullResult, states []State) {
		_, result, err := s.Pull(t.Context(), r.name("a"), PullOptions{Platform: "linux/amd64", Progress: func(e Event) {
			if e.State != Downloading {
				states = append(states, e.State)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		return result, states
	}
	result, states := pull()
	if !result.Updated || !slices.Equal(states[:3], []State{Resolved, Waiting, Waiting}) || len(states) != 7 {
		t.Errorf("first pull: %+v, %v", result, states)
	}
	before := listing(t, s)
	r.asked("")
	result, states = pull()
	if result.Updated || !slices.Equal(states, []State{Resolved}) {
		t.Errorf("second pull: %+v, %v", result, states)
	}
	if n := r.asked("a/"); n != 1 {
		t.Errorf("second pull made %d requests, want 1 for the index", n)
	}
	if after := listing(t, s); after != before {
		t.Errorf("the store was\n%s\nand is\n%s", before, after)
	}
}

func TestASharedLayerIsFetchedOnce(t *testing.T) {
	s, _ := newStore(t)
	r := newRegistry(t)
	r.push("one", r.image("base", "one"))
	r.push("two", r.image("base", "two"))
	shared := digestOf(gzipOf(tarOf("base"))).String()
	for _, tag := range []string{":one", ":two"} {
		if _, _, err := s.Pull(t.Context(), r.name("a")+tag, PullOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.asked(shared); n != 1 {
		t.Errorf("the shared layer was asked for %d times", n)
	}
}

func TestAHeldBlobIsNotTakenForADiffIDThatItHasNot(t *testing.T) {
	s, _ := newStore(t)
	r := newRegistry(t)
	r.push("one", r.image("one"))
	r.push("two", r.image("two"))
	for _, tag := range []string{":one", ":two"} {
		if _, _, err := s.Pull(t.Context(), r.name("a")+tag, PullOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	// Both the blob and the layer are held, but they are not a pair.
	img := r.image("one")
	img.config.RootFS.DiffIDs[0] = digestOf(tarOf("two"))
	r.push("liar", img)
	before := listing(t, s)
	_, _, err := s.Pull(t.Context(), r.name("a:liar"), PullOptions{})
	wantError(t, err, "diff ID is ")
	if after := listing(t, s); after != before {
		t.Errorf("the store was\n%s\nand is\n%s", before, after)
	}
}

func TestADamagedBlobIsFetchedAgain(t *testing.T) {
	s, _ := newStore(t)
	r := newRegistry(t)
	img := r.image("one")
	r.push("latest", img)
	pulled, _, err := s.Pull(t.Context(), r.name("a"), PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := listing(t, s)
	for _, damage := range []v1.Hash{img.manifest.Config.Digest, img.manifest.Layers[0].Digest} {
		if err := os.WriteFile(s.blobPath(damage), []byte("damaged"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Pull(t.Context(), r.name("a"), PullOptions{}); err != nil {
			t.Fatal(err)
		}
		if after := listing(t, s); after != before {
			t.Errorf("the store was\n%s\nand is\n%s", before, after)
		}
	}
	if again, err := s.Get(r.name("a")); err != nil || again.ID != pulled.ID {
		t.Errorf("Get: %+v, %v", again, err)
	}
}

func TestATagThatMovesLeavesTheOldImageWithItsDigest(t *testing.T) {
	s, _ := newStore(t)
	r := newRegistry(t)
	var images []*Image
	for _, text := range []string{"old", "new"} {
		r.push("latest", r.image(text))
		img, result, err := s.Pull(t.Context(), r.name("a"), PullOptions{})
		if err != nil || !result.Updated {
			t.Fatal(result, err)
		}
		images = append(images, img)
	}
	if got, err := s.Get(r.name("a")); err != nil || got.ID != images[1].ID {
		t.Errorf("the tag names %v, %v", got, err)
	}
	old, err := s.Get(images[0].ID)
	if err != nil || len(old.Tags()) != 0 || !slices.Equal(old.Digests(), images[0].Digests()) {
		t.Errorf("the old image is %+v, %v", old, err)
	}
}

func TestAnotherPlatformOfTheSameIndexLeavesTheFirstWithoutAName(t *testing.T) {
	s, _ := newStore(t)
	r := newRegistry(t)
	arm := r.image("arm")
	arm.config.Architecture = "arm64"
	r.tag("latest", types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{r.push("", r.image("amd")), r.push("", arm)}})
	first, _, err := s.Pull(t.Context(), r.name("a"), PullOptions{Platform: "linux/amd64"})
	if err != nil {
		t.Fatal(err)
	}
	second, result, err := s.Pull(t.Context(), r.name("a"), PullOptions{Platform: "linux/arm64"})
	if err != nil || !result.Updated || second.Platform() != "linux/arm64" {
		t.Fatal(second, result, err)
	}
	first, err = s.Get(first.ID)
	if err != nil || len(first.Refs) != 0 {
		t.Errorf("the first image is %+v, %v", first, err)
	}
	if _, _, err := s.Pull(t.Context(), r.name("a"), PullOptions{Platform: "linux/amd64"}); err != nil {
		t.Fatal(err)
	}
	if first, err = s.Get(first.ID); err != nil || len(first.Refs) != 2 {
		t.Errorf("named again, the first image is %+v, %v", first, err)
	}
}

func TestAPullByDigestGivesNoTag(t *testing.T) {
	s, _ := newStore(t)
	r := newRegistry(t)
	d := r.push("latest", r.image("one"))
	for _, tag := range []string{"", ":latest"} {
		img, result, err := s.Pull(t.Context(), r.name("a")+tag+"@"+d.Digest.String(), PullOptions{})
		if err != nil || len(img.Tags()) != 0 || result.Digest != d.Digest.String() {
			t.Errorf("with tag %q: %+v, %+v, %v", tag, img, result, err)
		}
	}
}

func TestPlainHTTPIsForLoopbackOnly(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "LOCALHOST:1": true, "127.0.0.1": true, "127.9.8.7:5000": true, "[::1]:5000": true, "[::1]": true,
		"::ffff:127.0.0.1": true, "10.0.0.1:5000": false, "192.168.1.1": false, "registry.local:5000": false, "x.localhost": false,
		"localhost.evil.com": false, "127.0.0.1.evil.com": false, "0.0.0.0:5000": false, "docker.io": false, "[fe80::1]:5000": false,
	} {
		if got := isLoopback(host); got != want {
			t.Errorf("isLoopback(%q) = %v", host, got)
		}
	}
	g := &guard{base: &http.Transport{}, loopback: true}
	for _, url := range []string{"http://10.0.0.1:1/v2/", "http://registry.local/v2/", "http://x.localhost/v2/"} {
		req, _ := http.NewRequest(http.MethodGet, url, nil)
		_, err := g.RoundTrip(req)
		wantError(t, err, "plain http")
	}
	// A registry elsewhere can't send a pull to a service on this machine.
	g.loopback = false
	req, _ := http.NewRequest(http.MethodGet, "http://127.0.0.1:1/v2/", nil)
	_, err := g.RoundTrip(req)
	wantError(t, err, "plain http")
}

func TestARegistryThatIsNotThereIsNamed(t *testing.T) {
	r := newRegistry(t)
	name := r.name("a")
	r.Close()
	s, _ := newStore(t)
	_, _, err := s.Pull(t.Context(), name, PullOptions{})
	wantError(t, err, "connection refused", r.Listener.Addr().String())
}

func TestAnotherRegistrysImagesArePulled(t *testing.T) {
	server := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	pushed, err := random.Image(300_000, 7)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(host + "/some/where:v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, pushed); err != nil {
		t.Fatal(err)
	}
	s, _ := newStore(t)
	img, _, err := s.Pull(t.Context(), tag.String(), PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want, err := pushed.ConfigName(); err != nil || img.ID != want.String() || len(img.ChainIDs) != 7 {
		t.Errorf("pulled %+v, want ID %s (%v)", img, want, err)
	}
}
