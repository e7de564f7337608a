package image

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Loaded is an image that came out of an archive.
type Loaded struct {
	ID    string
	Names []Reference
}

// Load brings the images of an archive into the store: docker's, of any version, or
// an OCI image layout in a tar, as it is or compressed by gzip or zstd. Of an image
// for several platforms this machine's is taken. What an error is found in is not
// loaded; images that came before it are.
func (s *Store) Load(ctx context.Context, r io.Reader) (loaded []Loaded, err error) {
	r, end, err := Inflate(r)
	if err != nil {
		return nil, err
	}
	defer end()
	p, done, err := s.prepare(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	l := &loader{pull: p, files: map[string]string{}}
	if err := l.read(ctx, r); err != nil {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	images, err := l.images()
	if err != nil {
		return nil, err
	}
	for _, img := range images {
		one, err := l.load(ctx, img)
		if err != nil {
			return loaded, err
		}
		loaded = append(loaded, one)
	}
	return loaded, nil
}

// loader is an archive whose files lie in staging: they are listed at its end.
type loader struct {
	*pull
	files map[string]string // name in the archive → path
}

func (l *loader) read(ctx context.Context, r io.Reader) error {
	tr := tar.NewReader(contextReader{ctx, r})
	links := map[string]string{}
	for {
		hdr, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return err
		}
		name := path.Clean(hdr.Name)
		switch hdr.Typeflag {
		case tar.TypeReg:
			if l.files[name], _, err = l.spool(tr); err != nil {
				return err
			}
		case tar.TypeSymlink: // docker's, for a layer that stands in the archive twice
			links[name] = path.Join(path.Dir(name), hdr.Linkname)
		case tar.TypeLink:
			links[name] = path.Clean(hdr.Linkname)
		}
	}
	for name, target := range links {
		if file, ok := l.files[target]; ok {
			l.files[name] = file
		}
	}
	return nil
}

// document returns a small file of the archive, nil where there is none.
func (l *loader) document(name string) ([]byte, error) {
	file, ok := l.files[path.Clean(name)]
	if !ok {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(b) > maxConfig {
		err = fmt.Errorf("%s is over the limit of %d bytes", name, maxConfig)
	}
	return b, err
}

// toLoad is an image as an archive lists it, by its manifest or by its parts.
type toLoad struct {
	manifest []byte
	parts    archived
	names    []Reference
}

func (l *loader) images() ([]toLoad, error) {
	raw, err := l.document("manifest.json")
	if err != nil {
		return nil, err
	}
	var list []archived
	if raw != nil {
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, fmt.Errorf("manifest.json: %w", err)
		}
	}
	index, err := l.document("index.json")
	if err != nil {
		return nil, err
	}
	switch {
	case index != nil && l.files["oci-layout"] != "":
		return l.layout(index)
	case raw == nil:
		return nil, errors.New("open manifest.json: no such file in the archive: it is none of docker's, nor an OCI image layout")
	}
	var all []toLoad
	for _, entry := range list {
		one := toLoad{parts: entry}
		for _, tag := range entry.RepoTags {
			ref, err := ParseReference(tag)
			if err != nil {
				return nil, fmt.Errorf("invalid tag %q: %w", tag, err)
			}
			one.names = append(one.names, ref)
		}
		all = append(all, one)
	}
	return all, nil
}

// layout returns the images of an OCI image layout, each once.
func (l *loader) layout(index []byte) ([]toLoad, error) {
	entries, err := parseIndex(index)
	if err != nil {
		return nil, err
	}
	want, err := wanted("")
	if err != nil {
		return nil, err
	}
	var all []toLoad
	place := map[v1.Hash]int{}
	for _, d := range entries {
		i, ok := place[d.Digest]
		if !ok {
			raw, err := l.descend(d, want, maxIndexes)
			if err != nil {
				return nil, err
			}
			if raw == nil {
				return nil, fmt.Errorf("no matching manifest for %s in the archive", platformString(want[0]))
			}
			i = len(all)
			place[d.Digest] = i
			all = append(all, toLoad{manifest: raw})
		}
		if ref, ok := layoutName(d.Annotations); ok {
			all[i].names = append(all[i].names, ref)
		}
	}
	return all, nil
}

// layoutName is the name that a layout tells of an image. A bare tag is none.
func layoutName(annotations map[string]string) (Reference, bool) {
	name := annotations[containerdName]
	if name == "" {
		if name = annotations[refAnnotation]; !strings.ContainsAny(name, ":/") {
			return Reference{}, false
		}
	}
	ref, err := ParseReference(name)
	return ref, err == nil && ref.Digest == ""
}

// descend returns the manifest that a descriptor is of or leads to, nil for none.
func (l *loader) descend(d v1.Descriptor, want []v1.Platform, left int) ([]byte, error) {
	if left == 0 {
		return nil, fmt.Errorf("manifest list %s leads to itself", d.Digest)
	}
	raw, err := l.document(blobName(d.Digest))
	if err == nil && raw == nil {
		err = errors.New("it is not in the archive")
	}
	if err == nil && digestOf(raw) != d.Digest {
		err = fmt.Errorf("its digest is %s", digestOf(raw))
	}
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	index, err := isIndex(raw, string(d.MediaType))
	if err != nil || !index {
		return raw, err
	}
	entries, err := parseIndex(raw)
	if err != nil {
		return nil, err
	}
	for _, e := range choose(entries, want) {
		if found, err := l.descend(e, want, left-1); err != nil || found != nil {
			return found, err
		}
	}
	return nil, nil
}

func (l *loader) load(ctx context.Context, img toLoad) (one Loaded, err error) {
	l.layers = nil
	if img.manifest != nil {
		err = l.takeManifest(img.manifest)
	} else {
		err = l.takeParts(img.parts)
	}
	if err != nil {
		return one, err
	}
	if err := l.unpackStaged(ctx); err != nil {
		return one, err
	}
	if err := l.publishLoaded(img.names); err != nil {
		return one, err
	}
	return Loaded{ID: l.image.ID, Names: img.names}, nil
}

// takeManifest stages an image of a layout: its blobs are already named.
func (l *loader) takeManifest(raw []byte) error {
	m, err := parseManifest(raw)
	if err != nil {
		return err
	}
	if raw, err = asOCI(m, raw); err != nil {
		return err
	}
	text, err := l.document(blobName(m.Config.Digest))
	if err == nil && (text == nil || digestOf(text) != m.Config.Digest) {
		err = errors.New("it is not in the archive")
	}
	if err != nil {
		return fmt.Errorf("image config %s: %w", m.Config.Digest, err)
	}
	config, err := parseConfig(text, m)
	if err != nil {
		return err
	}
	if err := l.keep(m.Config.Digest, text); err != nil {
		return err
	}
	for _, d := range m.Layers {
		if err := l.stageFile(blobName(d.Digest), d.Digest); err != nil {
			return err
		}
	}
	return l.take(raw, m, config)
}

// takeParts makes a manifest for an image of which docker lists config and layers.
func (l *loader) takeParts(parts archived) error {
	text, err := l.document(parts.Config)
	if err != nil {
		return err
	}
	if text == nil {
		return fmt.Errorf("image config %s: it is not in the archive", parts.Config)
	}
	m := v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: v1.Descriptor{MediaType: types.OCIConfigJSON, Digest: digestOf(text), Size: int64(len(text))},
	}
	for _, name := range parts.Layers {
		d, err := l.measure(name)
		if err != nil {
			return fmt.Errorf("layer %s: %w", name, err)
		}
		if err := l.stageFile(name, d.Digest); err != nil {
			return err
		}
		m.Layers = append(m.Layers, d)
	}
	config, err := parseConfig(text, &m)
	if err != nil {
		return err
	}
	if err := l.keep(m.Config.Digest, text); err != nil {
		return err
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return l.take(raw, &m, config)
}

// measure describes a layer's file, compressed or not.
func (l *loader) measure(name string) (v1.Descriptor, error) {
	file, ok := l.files[path.Clean(name)]
	if !ok {
		return v1.Descriptor{}, errors.New("it is not in the archive")
	}
	f, err := os.Open(file)
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer f.Close()
	h, size, err := v1.SHA256(f)
	if err != nil {
		return v1.Descriptor{}, err
	}
	magic := make([]byte, magicSize)
	n, err := f.ReadAt(magic, 0)
	if err != nil && err != io.EOF {
		return v1.Descriptor{}, err
	}
	kind := types.OCIUncompressedLayer
	switch compressionOf(magic[:n]) {
	case gzipped:
		kind = types.OCILayer
	case zstandard:
		kind = types.OCILayerZStd
	}
	return v1.Descriptor{MediaType: kind, Digest: h, Size: size}, nil
}

// stageFile gives a file of the archive the name of the blob that it has to be: what
// it holds is checked when it is unpacked.
func (l *loader) stageFile(name string, digest v1.Hash) error {
	file, ok := l.files[path.Clean(name)]
	if !ok {
		return nil // the store may have it
	}
	err := os.Link(file, l.stagedPath(digest))
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

// publishLoaded publishes one image of several: what is staged of the archive but
// not of this image stays.
func (l *loader) publishLoaded(names []Reference) error {
	whole := l.dir
	var err error
	if l.dir, err = os.MkdirTemp(l.store.path("tmp"), stagingPrefix); err != nil {
		return err
	}
	defer func() { l.dir = whole }()
	one := l.dir
	for _, d := range append([]v1.Descriptor{l.manifest, l.image.manifest.Config}, l.image.manifest.Layers...) {
		err := os.Rename(whole+"/"+d.Digest.Hex, one+"/"+d.Digest.Hex)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return errors.Join(err, os.RemoveAll(one))
		}
	}
	return errors.Join(l.publishAs(names), os.RemoveAll(one))
}
