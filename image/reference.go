package image

import (
	"errors"
	"fmt"
	"strings"
)

// Reference is an image's name with docker's defaults filled in. It has a tag, a
// digest, or both; the digest wins.
type Reference struct {
	Domain string // docker.io, localhost:5000
	Path   string // library/alpine
	Tag    string // latest
	Digest string // sha256:…
}

const (
	defaultDomain = "docker.io"
	defaultTag    = "latest"
)

var errReference = errors.New("invalid reference format")

// ParseReference reads a name as docker does: alpine is
// docker.io/library/alpine:latest, and what stands before the first slash is a
// registry where it has a dot, a colon or a capital letter, or is localhost. The
// grammar is that of the distribution project's package reference.
func ParseReference(s string) (Reference, error) {
	r, err := parseReference(s)
	if err != nil {
		return Reference{}, err
	}
	if r.Tag == "" && r.Digest == "" {
		r.Tag = defaultTag
	}
	return r, nil
}

// HasTag reports whether the name, valid or not, says a tag or a digest itself.
func HasTag(s string) bool {
	r, err := parseReference(s)
	return err == nil && (r.Tag != "" || r.Digest != "")
}

// Name is the reference without tag and digest: docker.io/library/alpine.
func (r Reference) Name() string { return r.Domain + "/" + r.Path }

// String is the whole reference: docker.io/library/alpine:latest.
func (r Reference) String() string { return r.Name() + r.suffix() }

// FamiliarName is the name as people type it: alpine.
func (r Reference) FamiliarName() string {
	if r.Domain != defaultDomain {
		return r.Name()
	}
	// docker.io/library/a/b would read as something else without its library.
	if rest, ok := strings.CutPrefix(r.Path, "library/"); ok && !strings.Contains(rest, "/") {
		return rest
	}
	return r.Path
}

// Familiar is the reference as people type it: alpine:latest.
func (r Reference) Familiar() string { return r.FamiliarName() + r.suffix() }

func (r Reference) suffix() string {
	var s string
	if r.Tag != "" {
		s = ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest
	}
	return s
}

func parseReference(s string) (Reference, error) {
	var r Reference
	name := s
	if before, digest, ok := strings.Cut(name, "@"); ok {
		if !isDigest(digest) {
			return r, errReference
		}
		name, r.Digest = before, digest
	}
	if isHex(name) && len(name) == 64 {
		return r, errors.New("invalid repository name: 64 hexadecimal digits would read as an image ID")
	}
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		if !isTag(name[i+1:]) {
			return r, errReference
		}
		name, r.Tag = name[:i], name[i+1:]
	}

	r.Domain, r.Path = splitDomain(name)
	if lower := strings.ToLower(r.Path); lower != r.Path {
		return r, fmt.Errorf("%w: repository name (%s) must be lowercase", errReference, r.Path)
	}
	if !isDomain(r.Domain) || !isPath(r.Path) {
		return r, errReference
	}
	if len(r.Path) > 255 {
		return r, errors.New("repository name must not be longer than 255 characters")
	}
	return r, nil
}

// splitDomain parts a name at its first slash where a registry stands before it.
func splitDomain(name string) (domain, path string) {
	first, rest, ok := strings.Cut(name, "/")
	isDomain := ok && (strings.ContainsAny(first, ".:") || first == "localhost" || strings.ToLower(first) != first)
	if !isDomain {
		first, rest = defaultDomain, name
	}
	if first == "index.docker.io" {
		first = defaultDomain
	}
	if first == defaultDomain && rest != "" && !strings.Contains(rest, "/") {
		rest = "library/" + rest
	}
	return first, rest
}

func isDomain(s string) bool {
	host := s
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		if s[i+1:] == "" || strings.Trim(s[i+1:], "0123456789") != "" {
			return false
		}
		host = s[:i]
	}
	if strings.HasPrefix(host, "[") {
		inner, ok := strings.CutSuffix(host[1:], "]")
		return ok && inner != "" && strings.Trim(inner, "0123456789abcdefABCDEF:") == ""
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' || !consistsOf(label, alnum+upper+"-") {
			return false
		}
	}
	return true
}

const (
	digits = "0123456789"
	alnum  = digits + "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// isPath accepts components of [a-z0-9]+ joined by ".", "_", "__" or dashes.
func isPath(s string) bool {
	for c := range strings.SplitSeq(s, "/") {
		for c != "" {
			rest := strings.TrimLeft(c, alnum)
			if rest == c {
				return false
			}
			after := strings.TrimLeft(rest, "._-")
			sep := rest[:len(rest)-len(after)]
			ok := sep == "" || sep == "." || sep == "_" || sep == "__" || strings.Trim(sep, "-") == ""
			if !ok || sep != "" && after == "" {
				return false
			}
			if after == "" {
				break
			}
			c = after
		}
		if c == "" {
			return false
		}
	}
	return true
}

func isTag(s string) bool {
	return s != "" && len(s) <= 128 && s[0] != '.' && s[0] != '-' && consistsOf(s, alnum+upper+"_.-")
}

// isDigest accepts SHA-256 only: it is what the store's blobs are named by.
func isDigest(s string) bool {
	h, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(h) == 64 && isHex(h)
}

func isHex(s string) bool { return s != "" && consistsOf(s, "0123456789abcdef") }

func consistsOf(s, chars string) bool { return strings.Trim(s, chars) == "" }
