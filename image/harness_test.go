package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// newStore is a store on an empty root whose layers are plain files, and the
// registry that its pulls ask.
func newStore(t *testing.T) (*Store, *fakeLayers) {
	t.Helper()
	s := Open(filepath.Join(t.TempDir(), "root"))
	layers := &fakeLayers{dir: s.path("layers"), tmp: s.path("tmp")}
	s.Layers = func() (Layers, error) { return layers, nil }
	return s, layers
}

// fakeLayers keeps a layer as its tar: enough to see whether it was published.
type fakeLayers struct {
	dir, tmp   string
	failCommit string // chain ID
	staged     func() // called while a layer is being staged
	stopAfter  int64  // bytes after which Stage breaks its contract
}

func (f *fakeLayers) file(chainID string) string {
	return filepath.Join(f.dir, strings.TrimPrefix(chainID, "sha256:"))
}

func (f *fakeLayers) Has(chainID string) bool {
	_, err := os.Stat(f.file(chainID))
	return err == nil
}

func (f *fakeLayers) Stage(_ context.Context, r io.Reader) (Staged, error) {
	if err := errors.Join(os.MkdirAll(f.dir, 0o700), os.MkdirAll(f.tmp, 0o700)); err != nil {
		return nil, err
	}
	if f.staged != nil {
		f.staged()
	}
	out, err := os.CreateTemp(f.tmp, "layer-")
	if err != nil {
		return nil, err
	}
	if f.stopAfter > 0 {
		r = io.LimitReader(r, f.stopAfter)
	}
	_, err = io.Copy(out, r)
	if err := errors.Join(err, out.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(out.Name()))
	}
	return &fakeStaged{f, out.Name()}, nil
}

func (f *fakeLayers) List() ([]string, error) {
	var ids []string
	entries, err := readDir(f.dir)
	for _, e := range entries {
		ids = append(ids, "sha256:"+e.Name())
	}
	return ids, err
}

func (f *fakeLayers) Remove(chainID string) error { return os.Remove(f.file(chainID)) }
func (f *fakeLayers) Sync() error                 { return nil }

func (f *fakeLayers) Sweep() error {
	left, err := filepath.Glob(filepath.Join(f.tmp, "layer-*"))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

func (f *fakeLayers) Size(chainID string) (int64, error) {
	info, err := os.Stat(f.file(chainID))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

type fakeStaged struct {
	layers *fakeLayers
	path   string
}

func (s *fakeStaged) Commit(chainID string, parents []string) error {
	if chainID == s.layers.failCommit {
		return errors.New("commit fails")
	}
	for _, p := range parents {
		if !s.layers.Has(p) {
			return fmt.Errorf("parent %s is missing", p)
		}
	}
	return os.Rename(s.path, s.layers.file(chainID))
}

func (s *fakeStaged) Discard() error {
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// listing is every file below the store's root with its size, but for the lock and
// empty directories.
func listing(t *testing.T, s *Store) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(s.root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || path == s.path("lock") {
			return err
		}
		b, err := os.ReadFile(path)
		lines = append(lines, fmt.Sprintf("%s %s", path[len(s.root):], digestOf(b)))
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// testRegistry serves what it is told to, without judging it.
type testRegistry struct {
	*httptest.Server
	mu        sync.Mutex
	manifests map[string]testManifest // by NAME:TAG and by digest
	blobs     map[string][]byte       // by digest
	serve     map[string]http.HandlerFunc
	requests  []string
}

var testTime = time.Unix(1700000000, 0)

type testManifest struct {
	contentType string
	body        []byte
}

func newRegistry(t *testing.T) *testRegistry {
	r := &testRegistry{
		manifests: make(map[string]testManifest),
		blobs:     make(map[string][]byte),
		serve:     make(map[string]http.HandlerFunc),
	}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// name is a repository's name at this registry: 127.0.0.1:PORT/path.
func (r *testRegistry) name(path string) string { return r.Listener.Addr().String() + "/" + path }

func (r *testRegistry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	parts := strings.Split(strings.TrimPrefix(req.URL.Path, "/v2/"), "/")
	id := parts[len(parts)-1]
	r.mu.Lock()
	r.requests = append(r.requests, strings.Join(parts, "/"))
	handler := r.serve[id]
	m, isManifest := r.manifests[id]
	blob, isBlob := r.blobs[id]
	r.mu.Unlock()
	switch {
	case handler != nil:
		handler(w, req)
	case req.URL.Path == "/v2/":
	case isManifest && parts[len(parts)-2] == "manifests":
		w.Header().Set("Content-Type", m.contentType)
		w.Write(m.body)
	case isBlob:
		http.ServeContent(w, req, "", testTime, bytes.NewReader(blob))
	default:
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)
	}
}

// asked counts the requests whose path has part in it, and forgets all.
func (r *testRegistry) asked(part string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, p := range r.requests {
		if strings.Contains(p, part) {
			n++
		}
	}
	r.requests = nil
	return n
}

// add serves a blob under its digest.
func (r *testRegistry) add(b []byte) v1.Descriptor {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := digestOf(b)
	r.blobs[d.String()] = b
	return v1.Descriptor{Digest: d, Size: int64(len(b))}
}

// tag serves a manifest under its digest and, unless empty, a tag.
func (r *testRegistry) tag(tag string, mediaType types.MediaType, manifest any) v1.Descriptor {
	body, ok := manifest.([]byte)
	if !ok {
		var err error
		if body, err = json.Marshal(manifest); err != nil {
			panic(err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	d := digestOf(body)
	m := testManifest{string(mediaType), body}
	r.manifests[d.String()] = m
	if tag != "" {
		r.manifests[tag] = m
	}
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(body))}
}

// testImage is an image that is being made up. Layers pair blobs with the tars that
// the config speaks of.
type testImage struct {
	manifest v1.Manifest
	config   v1.ConfigFile
}

// image makes an OCI image of layers that are compressed with gzip and hold a file
// of the given texts.
func (r *testRegistry) image(texts ...string) *testImage {
	img := &testImage{
		manifest: v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1},
		config:   v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}},
	}
	img.config.Config.Cmd = []string{"sh"}
	for _, text := range texts {
		plain := tarOf(text)
		r.layer(img, types.OCILayer, plain, gzipOf(plain))
	}
	return img
}

// layer adds a layer whose blob need not be what its tar compresses to.
func (r *testRegistry) layer(img *testImage, mediaType types.MediaType, plain, blob []byte) {
	d := r.add(blob)
	d.MediaType = mediaType
	img.manifest.Layers = append(img.manifest.Layers, d)
	img.config.RootFS.DiffIDs = append(img.config.RootFS.DiffIDs, digestOf(plain))
}

// push serves the image and returns its manifest's descriptor.
func (r *testRegistry) push(tag string, img *testImage) v1.Descriptor {
	config, err := json.Marshal(img.config)
	if err != nil {
		panic(err)
	}
	d := r.add(config)
	d.MediaType = types.OCIConfigJSON
	if img.manifest.MediaType == types.DockerManifestSchema2 {
		d.MediaType = types.DockerConfigJSON
	}
	img.manifest.Config = d
	pushed := r.tag(tag, img.manifest.MediaType, img.manifest)
	pushed.Platform = &v1.Platform{OS: img.config.OS, Architecture: img.config.Architecture, Variant: img.config.Variant}
	return pushed
}

func tarOf(text string) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Name: "file", Mode: 0o644, Size: int64(len(text))}); err != nil {
		panic(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// gzipOf compresses each part to a member of its own.
func gzipOf(parts ...[]byte) []byte {
	var buf bytes.Buffer
	for _, p := range parts {
		w := gzip.NewWriter(&buf)
		w.Write(p)
		w.Close()
	}
	return buf.Bytes()
}

func zstdOf(b []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return w.EncodeAll(b, nil)
}

// wantError fails unless err has all words.
func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil || slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(err.Error(), w) }) {
		t.Errorf("error is %v, want one with %q", err, words)
	}
}
