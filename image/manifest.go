package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"

	"gocker/container/quickjson"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// maxManifest is what the distribution spec 1.1 asks registries to take.
	maxManifest = 4 << 20
	maxConfig   = 8 << 20
	// maxLayers is overlayfs's limit of lower directories (OVL_MAX_STACK).
	maxLayers = 500
)

var errSchema1 = errors.New("docker's image manifest version 2, schema 1 is no longer supported: build or push the image again with a newer docker")

// manifestKinds are the media types that a manifest may have, as the Accept
// header lists them. The value tells whether it is an index.
var manifestKinds = map[types.MediaType]bool{
	types.OCIManifestSchema1:    false,
	types.DockerManifestSchema2: false,
	types.OCIImageIndex:         true,
	types.DockerManifestList:    true,
}

// configTypes are the configs of container images; a chart or a signature in a
// registry has another.
var configTypes = map[types.MediaType]bool{
	types.OCIConfigJSON:    true,
	types.DockerConfigJSON: true,
}

// layerTypes are tars of changes; the value is OCI's word for the same. How they are
// compressed is seen in the bytes: registries hold gzip under the name of a plain
// tar, and the reverse.
var layerTypes = map[types.MediaType]types.MediaType{
	types.OCIUncompressedLayer:           types.OCIUncompressedLayer,
	types.OCILayer:                       types.OCILayer,
	types.OCILayerZStd:                   types.OCILayerZStd,
	types.OCIUncompressedRestrictedLayer: types.OCIUncompressedRestrictedLayer,
	types.OCIRestrictedLayer:             types.OCIRestrictedLayer,
	types.DockerUncompressedLayer:        types.OCIUncompressedLayer,
	types.DockerLayer:                    types.OCILayer,
	types.DockerForeignLayer:             types.OCIRestrictedLayer,
	dockerZstdLayer:                      types.OCILayerZStd,
}

const dockerZstdLayer types.MediaType = "application/vnd.docker.image.rootfs.diff.tar.zstd"

// isIndex tells a manifest that lists manifests from one that lists layers. A
// document that could be read as both is refused (CVE-2021-41190), as is docker's
// schema 1.
func isIndex(raw []byte, contentType string) (bool, error) {
	var doc struct {
		SchemaVersion int             `json:"schemaVersion"`
		MediaType     types.MediaType `json:"mediaType"`
		Config        json.RawMessage `json:"config"`
		Layers        json.RawMessage `json:"layers"`
		Manifests     json.RawMessage `json:"manifests"`
		FSLayers      json.RawMessage `json:"fsLayers"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return false, fmt.Errorf("manifest: %w", err)
	}
	kind := types.MediaType(contentType)
	if parsed, _, err := mime.ParseMediaType(contentType); err == nil {
		kind = types.MediaType(parsed)
	}
	if doc.SchemaVersion == 1 || doc.FSLayers != nil || kind == types.DockerManifestSchema1 || kind == types.DockerManifestSchema1Signed {
		return false, errSchema1
	}
	if doc.SchemaVersion != 2 {
		return false, fmt.Errorf("manifest: schema version %d is not 2", doc.SchemaVersion)
	}
	if doc.Manifests != nil && (doc.Layers != nil || doc.Config != nil) {
		return false, errors.New("manifest has both manifests and layers or a config: it is ambiguous")
	}
	index := doc.Manifests != nil
	for _, said := range []types.MediaType{doc.MediaType, kind} {
		saysIndex, known := manifestKinds[said]
		if known && saysIndex != index {
			return false, fmt.Errorf("manifest is of type %s, but its content is not", said)
		}
	}
	if doc.MediaType != "" {
		if _, known := manifestKinds[doc.MediaType]; !known {
			return false, fmt.Errorf("manifest of type %s: unsupported", doc.MediaType)
		}
	}
	return index, nil
}

// parseManifest reads an image's manifest and refuses what can't be pulled.
func parseManifest(raw []byte) (*v1.Manifest, error) {
	var m v1.Manifest
	if err := quickjson.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if !configTypes[m.Config.MediaType] {
		return nil, fmt.Errorf("not a container image: its config is of type %q", m.Config.MediaType)
	}
	if err := checkDescriptor(m.Config); err != nil {
		return nil, fmt.Errorf("manifest: config: %w", err)
	}
	if m.Config.Size > maxConfig {
		return nil, fmt.Errorf("manifest: config of %d bytes is over the limit of %d", m.Config.Size, maxConfig)
	}
	if len(m.Layers) > maxLayers {
		return nil, fmt.Errorf("manifest: %d layers: overlayfs takes %d at most", len(m.Layers), maxLayers)
	}
	for i, l := range m.Layers {
		if err := checkDescriptor(l); err != nil {
			return nil, fmt.Errorf("manifest: layer %d: %w", i+1, err)
		}
		if len(l.URLs) > 0 {
			return nil, fmt.Errorf("manifest: layer %s is foreign: it would be fetched from %s, not from the registry", short(l.Digest.String()), l.URLs[0])
		}
		if layerTypes[l.MediaType] == "" {
			return nil, fmt.Errorf("manifest: layer %s: unsupported media type %q", short(l.Digest.String()), l.MediaType)
		}
	}
	return &m, nil
}

// parseIndex reads the list of an index.
func parseIndex(raw []byte) ([]v1.Descriptor, error) {
	var index v1.IndexManifest
	if err := quickjson.Unmarshal(raw, &index); err != nil {
		return nil, fmt.Errorf("manifest list: %w", err)
	}
	for i, d := range index.Manifests {
		if err := checkDescriptor(d); err != nil {
			return nil, fmt.Errorf("manifest list: entry %d: %w", i+1, err)
		}
	}
	return index.Manifests, nil
}

// parseConfig reads the config of manifest m. Layers and diff IDs must pair up.
func parseConfig(raw []byte, m *v1.Manifest) (*v1.ConfigFile, error) {
	var c v1.ConfigFile
	if err := quickjson.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("image config: %w", err)
	}
	if len(c.RootFS.DiffIDs) != len(m.Layers) {
		return nil, fmt.Errorf("image config has %d diff IDs for the manifest's %d layers", len(c.RootFS.DiffIDs), len(m.Layers))
	}
	if c.OS != "" && c.OS != "linux" {
		return nil, fmt.Errorf("image operating system %q cannot be used on this platform", c.OS)
	}
	first := make(map[v1.Hash]v1.Hash)
	for i, diff := range c.RootFS.DiffIDs {
		if !isDigest(diff.String()) {
			return nil, fmt.Errorf("image config: diff ID %q is not a SHA-256 digest", diff)
		}
		blob := m.Layers[i].Digest
		if other, ok := first[blob]; ok && other != diff {
			return nil, fmt.Errorf("image config: layer %s is given two diff IDs", short(blob.String()))
		}
		first[blob] = diff
	}
	return &c, nil
}

func checkDescriptor(d v1.Descriptor) error {
	if !isDigest(d.Digest.String()) {
		return fmt.Errorf("digest %q is not a SHA-256 digest", d.Digest)
	}
	if d.Size < 0 {
		return fmt.Errorf("size %d is negative", d.Size)
	}
	return nil
}

// choose orders the entries of an index that may lead to a wanted platform: the
// best match first, then indexes within the index, then entries that don't tell
// their platform.
func choose(entries []v1.Descriptor, want []v1.Platform) []v1.Descriptor {
	var matches, indexes, unknown []v1.Descriptor
	for i := range want {
		for _, d := range entries {
			if d.Platform != nil && !manifestKinds[d.MediaType] && rank(want, *d.Platform) == i {
				matches = append(matches, d)
			}
		}
	}
	for _, d := range entries {
		isIndex, known := manifestKinds[d.MediaType]
		switch {
		case known && isIndex && (d.Platform == nil || rank(want, *d.Platform) >= 0):
			indexes = append(indexes, d)
		case known && !isIndex && d.Platform == nil:
			unknown = append(unknown, d)
		}
	}
	if len(matches) > 0 {
		return matches[:1]
	}
	return append(indexes, unknown...)
}

// asOCI returns an image's manifest as the OCI image spec has it. Docker's schema 2
// is the same under other media types, but an OCI image layout holds OCI manifests
// only. It changes m; raw is m's bytes and comes back as it is where m is OCI's.
func asOCI(m *v1.Manifest, raw []byte) ([]byte, error) {
	if m.Config.MediaType == types.OCIConfigJSON && (m.MediaType == "" || m.MediaType == types.OCIManifestSchema1) {
		return raw, nil
	}
	m.MediaType = types.OCIManifestSchema1
	m.Config.MediaType = types.OCIConfigJSON
	for i, l := range m.Layers {
		m.Layers[i].MediaType = layerTypes[l.MediaType]
	}
	return json.Marshal(m)
}
