package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// TestAHostileImageLeavesTheStoreAsItWas pulls onto a store that holds an image
// with the same name.
func TestAHostileImageLeavesTheStoreAsItWas(t *testing.T) {
	plain := tarOf("three")
	good := gzipOf(plain)
	// layer is an image with one good layer and one whose blob is as given.
	layer := func(r *testRegistry, blob []byte) {
		img := r.image("one")
		r.layer(img, types.OCILayer, plain, blob)
		r.push("latest", img)
	}
	// serve replaces what the registry sends for the digest of the good layer.
	serve := func(r *testRegistry, h http.HandlerFunc) {
		layer(r, good)
		r.serve[digestOf(good).String()] = h
	}
	for _, c := range []struct {
		name  string
		push  func(r *testRegistry)
		words []string
	}{
		{"a tag that is not there", func(*testRegistry) {}, []string{"manifest for ", "a:latest not found: manifest unknown: manifest unknown"}},
		{"denied", func(r *testRegistry) {
			r.serve["latest"] = fails(http.StatusForbidden, `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`)
		}, []string{"pull access denied for ", "repository does not exist or may require 'docker login': denied: requested access to the resource is denied"}},
		{"an unknown repository", func(r *testRegistry) {
			r.serve["latest"] = fails(http.StatusNotFound, `{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}`)
		}, []string{"repository ", "/a not found: name unknown: repository name not known to registry"}},
		{"too many requests", func(r *testRegistry) {
			r.serve["latest"] = fails(http.StatusTooManyRequests, `{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}`)
		}, []string{"toomanyrequests: You have reached your pull rate limit."}},
		{"a page instead of a manifest", func(r *testRegistry) { r.tag("latest", "text/html", []byte("<html>")) }, []string{"manifest: invalid character"}},
		{"no schema version", func(r *testRegistry) { r.tag("latest", types.OCIManifestSchema1, []byte("{}")) }, []string{"schema version 0 is not 2"}},
		{"schema 1", func(r *testRegistry) {
			r.tag("latest", types.DockerManifestSchema1Signed, []byte(`{"schemaVersion":1,"fsLayers":[]}`))
		}, []string{"schema 1 is no longer supported"}},
		{"manifests and layers", func(r *testRegistry) {
			r.tag("latest", types.OCIImageIndex, []byte(`{"schemaVersion":2,"manifests":[],"layers":[]}`))
		}, []string{"both manifests and layers"}},
		{"an index that calls itself a manifest", func(r *testRegistry) {
			r.tag("latest", types.OCIManifestSchema1, []byte(`{"schemaVersion":2,"manifests":[]}`))
		}, []string{"its content is not"}},
		{"a manifest over 4 MiB", func(r *testRegistry) {
			r.tag("latest", types.OCIManifestSchema1, bytes.Repeat([]byte(" "), maxManifest+1))
		}, []string{"over the limit of 4194304 bytes"}},
		{"another manifest than the index names", func(r *testRegistry) {
			d := r.push("", r.image("one"))
			r.serve[d.Digest.String()] = func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"schemaVersion":2}`) }
			r.tag("latest", types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{d}})
		}, []string{"the registry sent bytes with digest"}},
		{"no platform that fits", func(r *testRegistry) {
			img := r.image("one")
			img.config.Architecture = "s390x"
			r.tag("latest", types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{r.push("", img)}})
		}, []string{"no matching manifest for linux/amd64 in the manifest list entries"}},
		{"a platform that is not the asked one", func(r *testRegistry) {
			img := r.image("one")
			img.config.Architecture = "s390x"
			r.push("latest", img)
		}, []string{"does not match the specified platform: wanted linux/amd64, actual: linux/s390x"}},
		{"another operating system", func(r *testRegistry) {
			img := r.image("one")
			img.config.OS = "windows"
			r.push("latest", img)
		}, []string{`operating system "windows" cannot be used`}},
		{"an index that contains itself", func(r *testRegistry) {
			// The registry lies about the digest; a true one can't be made.
			lie := v1.Descriptor{MediaType: types.OCIImageIndex, Digest: digestOf([]byte("lie")), Size: 300}
			r.tag("latest", types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{lie}})
			r.manifests[lie.Digest.String()] = r.manifests["latest"]
		}, []string{"the registry sent bytes with digest"}},
		{"indexes without end", func(r *testRegistry) {
			d := r.tag("", types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{}})
			for range maxIndexes + 1 {
				d = r.tag("latest", types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{d}})
			}
		}, []string{"leads to more than 16 manifests"}},
		{"a chart", func(r *testRegistry) {
			r.tag("latest", types.OCIManifestSchema1, []byte(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json"},"layers":[]}`))
		}, []string{`not a container image: its config is of type "application/vnd.cncf.helm.config.v1+json"`}},
		{"a huge config", func(r *testRegistry) {
			img := r.image("one")
			r.push("", img)
			img.manifest.Config.Size = maxConfig + 1
			r.tag("latest", types.OCIManifestSchema1, img.manifest)
		}, []string{"config of 8388609 bytes is over the limit"}},
		{"another config than the manifest names", func(r *testRegistry) {
			img := r.image("one")
			r.push("latest", img)
			r.blobs[img.manifest.Config.Digest.String()] = bytes.Repeat([]byte(" "), int(img.manifest.Config.Size))
		}, []string{"image config: ", "the registry sent bytes with digest"}},
		{"fewer diff IDs than layers", func(r *testRegistry) {
			img := r.image("one", "two")
			img.config.RootFS.DiffIDs = img.config.RootFS.DiffIDs[:1]
			r.push("latest", img)
		}, []string{"1 diff IDs for the manifest's 2 layers"}},
		{"one blob with two diff IDs", func(r *testRegistry) {
			img := r.image("one", "one")
			img.config.RootFS.DiffIDs[1] = digestOf([]byte("other"))
			r.push("latest", img)
		}, []string{"is given two diff IDs"}},
		{"a foreign layer", func(r *testRegistry) {
			img := r.image("one")
			img.manifest.Layers[0].URLs = []string{"https://example.com/layer"}
			r.push("latest", img)
		}, []string{"is foreign", "https://example.com/layer"}},
		{"a layer of an unknown type", func(r *testRegistry) {
			img := r.image("one")
			img.manifest.Layers[0].MediaType = "application/x-7z"
			r.push("latest", img)
		}, []string{`unsupported media type "application/x-7z"`}},
		{"a digest with another algorithm", func(r *testRegistry) {
			img := r.image("one")
			img.manifest.Layers[0].Digest = v1.Hash{Algorithm: "sha512", Hex: strings.Repeat("0", 128)}
			r.push("latest", img)
		}, []string{"is not a SHA-256 digest"}},
		{"a digest that climbs", func(r *testRegistry) {
			body, _ := json.Marshal(r.image("one").manifest)
			r.tag("latest", types.OCIManifestSchema1, bytes.Replace(body, []byte(digestOf(gzipOf(tarOf("one"))).String()), []byte("sha256:../../../../etc/passwd"), 1))
		}, []string{"hash"}},
		{"a negative size", func(r *testRegistry) {
			img := r.image("one")
			img.manifest.Layers[0].Size = -1
			r.push("latest", img)
		}, []string{"size -1 is negative"}},
		{"more layers than overlayfs takes", func(r *testRegistry) {
			img := r.image(make([]string, maxLayers+1)...)
			r.push("latest", img)
		}, []string{"501 layers"}},

		{"a missing blob", func(r *testRegistry) { serve(r, fails(http.StatusNotFound, `{}`)) }, []string{"layer ", "404"}},
		{"other bytes than the digest's", func(r *testRegistry) { serve(r, sends(flip(good, len(good)/2))) }, nil},
		{"another compression of the same tar", func(r *testRegistry) { serve(r, sends(flip(good, 4))) }, []string{"digest is sha256:", "the manifest says"}},
		{"a wrong checksum in gzip's trailer", func(r *testRegistry) { layer(r, flip(good, len(good)-8)) }, []string{"gzip: invalid checksum"}},
		{"a wrong diff ID", func(r *testRegistry) { layer(r, gzipOf(tarOf("other"))) }, []string{"diff ID is ", "the image config says"}},
		{"a second gzip member that the diff ID does not know", func(r *testRegistry) { layer(r, gzipOf(plain, []byte("more"))) }, []string{"diff ID is "}},
		{"a damaged second gzip member", func(r *testRegistry) {
			two := gzipOf(plain[:700], plain[700:])
			layer(r, flip(two, len(two)-8))
		}, []string{"gzip: invalid checksum"}},
		{"bytes behind gzip", func(r *testRegistry) { layer(r, append(slices.Clone(good), "garbage garbage"...)) }, []string{"gzip: invalid header"}},
		{"zeros behind gzip", func(r *testRegistry) { layer(r, append(slices.Clone(good), 0, 0, 0)) }, []string{"unexpected EOF"}},
		{"bytes behind zstd", func(r *testRegistry) { layer(r, append(zstdOf(plain), "garbage"...)) }, []string{"layer "}},
		{"bytes behind a plain tar", func(r *testRegistry) { layer(r, append(slices.Clone(plain), 0)) }, []string{"diff ID is "}},
		{"a gzip cut short", func(r *testRegistry) { layer(r, good[:len(good)-3]) }, []string{"unexpected EOF"}},
		{"a body that ends early", func(r *testRegistry) { serve(r, sends(good[:50])) }, []string{"wanted ", "the registry sends 50"}},
		{"a body that ends early without telling", func(r *testRegistry) { serve(r, chunks(good[:50])) }, []string{"ends after 50 of the "}},
		{"a body that goes on", func(r *testRegistry) { serve(r, chunks(append(slices.Clone(good), 0))) }, []string{"longer than the "}},
		{"a body that goes on behind a plain tar", func(r *testRegistry) {
			img := r.image()
			r.layer(img, types.OCILayer, plain, plain)
			r.push("latest", img)
			r.serve[digestOf(plain).String()] = chunks(append(slices.Clone(plain), 0))
		}, []string{"longer than the "}},
		{"a size that the blob has not", func(r *testRegistry) {
			img := r.image("one")
			img.manifest.Layers[0].Size++
			r.push("latest", img)
			r.serve[img.manifest.Layers[0].Digest.String()] = chunks(r.blobs[img.manifest.Layers[0].Digest.String()])
		}, []string{"ends after "}},
		{"a connection that breaks at the same byte each time", func(r *testRegistry) { serve(r, breaksAt(good, 60)) }, []string{"after 60 of "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := newStore(t)
			before := newRegistry(t)
			name := before.name("a")
			before.push("latest", before.image("held"))
			if _, _, err := s.Pull(t.Context(), name, PullOptions{Platform: "linux/amd64"}); err != nil {
				t.Fatal(err)
			}
			want := listing(t, s)
			before.reset()

			c.push(before)
			_, _, err := s.Pull(t.Context(), name, PullOptions{Platform: "linux/amd64"})
			wantError(t, err, c.words...)
			if got := listing(t, s); got != want {
				t.Errorf("the store was\n%s\nand is\n%s", want, got)
			}
		})
	}
}

// reset forgets what was pushed.
func (r *testRegistry) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.manifests)
	clear(r.blobs)
	clear(r.serve)
	r.requests = nil
}

func fails(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func sends(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Write(b) }
}

// chunks sends b without saying its length.
func chunks(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		w.Write(b)
	}
}

// breaksAt sends b from the offset asked for up to n, and then breaks the connection.
func breaksAt(b []byte, n int) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		from := 0
		if _, err := fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-", &from); err == nil {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(b)-1, len(b)))
			w.Header().Set("Content-Length", fmt.Sprint(len(b)-from))
			w.WriteHeader(http.StatusPartialContent)
		} else {
			w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		}
		w.Write(b[from:n])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func flip(b []byte, i int) []byte {
	b = slices.Clone(b)
	b[i] ^= 1
	return b
}
