package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// registry reads one repository over the distribution protocol (OCI distribution
// spec 1.1, "Pull").
type registry struct {
	ref    Reference
	client *http.Client
	base   string // https://registry-1.docker.io/v2/library/alpine
}

// connect finds out how the registry wants to be asked: https or, on loopback
// only, http. A login is looked for when the registry asks for one.
func connect(ctx context.Context, ref Reference) (*registry, error) {
	host, scheme := ref.Domain, "https"
	if host == defaultDomain {
		host = "registry-1.docker.io"
	}
	loopback := isLoopback(host)
	t := newTransport(loopback)
	if loopback {
		var err error
		if scheme, err = schemeOf(ctx, t.next, host); err != nil {
			t.CloseIdleConnections()
			return nil, err
		}
	}
	base, err := url.Parse(scheme + "://" + host + "/v2/" + ref.Path)
	if err != nil {
		return nil, fmt.Errorf("registry %s: %w", host, err)
	}
	return &registry{
		ref: ref,
		client: &http.Client{Transport: &authorizer{
			next:     t,
			registry: originOf(base),
			scope:    "repository:" + ref.Path + ":pull",
			login:    func(ctx context.Context) (login, error) { return findLogin(ctx, ref) },
		}},
		base: base.String(),
	}, nil
}

func (r *registry) close() { r.client.CloseIdleConnections() }

// manifest fetches the manifest that a tag or digest names. It returns the bytes,
// their digest, checked where one was asked for, and the media type as sent.
func (r *registry) manifest(ctx context.Context, tagOrDigest string) ([]byte, v1.Hash, string, error) {
	resp, err := r.get(ctx, "manifests", tagOrDigest, 0)
	if err != nil {
		return nil, v1.Hash{}, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxManifest+1))
	if err != nil {
		return nil, v1.Hash{}, "", fmt.Errorf("manifest %s of %s: %w", tagOrDigest, r.ref.FamiliarName(), err)
	}
	if len(raw) > maxManifest {
		return nil, v1.Hash{}, "", fmt.Errorf("manifest %s of %s is over the limit of %d bytes", tagOrDigest, r.ref.FamiliarName(), maxManifest)
	}
	digest := digestOf(raw)
	if isDigest(tagOrDigest) && digest.String() != tagOrDigest {
		return nil, v1.Hash{}, "", fmt.Errorf("manifest %s of %s: the registry sent bytes with digest %s", tagOrDigest, r.ref.FamiliarName(), digest)
	}
	return raw, digest, resp.Header.Get("Content-Type"), nil
}

// smallBlob fetches a config, checked.
func (r *registry) smallBlob(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	body := r.blob(ctx, d)
	defer body.Close()
	raw, err := io.ReadAll(io.LimitReader(body, d.Size+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) != d.Size {
		return nil, fmt.Errorf("blob %s: wanted %d bytes, got %d", d.Digest, d.Size, len(raw))
	}
	if got := digestOf(raw); got != d.Digest {
		return nil, fmt.Errorf("blob %s: the registry sent bytes with digest %s", d.Digest, got)
	}
	return raw, nil
}

// blob returns a blob's bytes as they come: nothing is checked. A connection that
// breaks is made again from the byte where it broke.
func (r *registry) blob(ctx context.Context, d v1.Descriptor) io.ReadCloser {
	return &resuming{ctx: ctx, registry: r, blob: d, attempts: blobAttempts}
}

// get asks for what /v2/NAME/KIND/ID names, from an offset of bytes on.
func (r *registry) get(ctx context.Context, kind, id string, offset int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+"/"+kind+"/"+id, nil)
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	if kind == "manifests" {
		var accept []string
		for t := range manifestKinds {
			accept = append(accept, string(t))
		}
		slices.Sort(accept)
		req.Header.Set("Accept", strings.Join(accept, ", "))
	}
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		status = http.StatusPartialContent
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, explain(err, r.ref)
	}
	if err := checkStatus(resp, status); err != nil {
		return nil, explain(err, r.ref)
	}
	return resp, nil
}

// blobAttempts is how often a blob is asked for while no byte of it comes.
const blobAttempts = 3

// resuming reads a blob and asks for the rest of it after a broken connection.
type resuming struct {
	ctx      context.Context
	registry *registry
	blob     v1.Descriptor
	body     io.ReadCloser
	offset   int64
	attempts int // left until the next byte comes
}

func (r *resuming) Read(p []byte) (int, error) {
	for {
		if r.body == nil {
			if err := r.open(); err != nil {
				return 0, err
			}
		}
		n, err := r.body.Read(p)
		r.offset += int64(n)
		if n > 0 {
			r.attempts = blobAttempts
			if err != io.EOF {
				err = nil // if it persists, the next Read sees it
			}
			return n, err
		}
		if err == nil || err == io.EOF {
			return 0, err
		}
		r.body.Close()
		r.body = nil
		r.attempts--
		if r.attempts == 0 || r.ctx.Err() != nil {
			return 0, fmt.Errorf("after %d of %d bytes: %w", r.offset, r.blob.Size, err)
		}
	}
}

func (r *resuming) open() error {
	resp, err := r.registry.get(r.ctx, "blobs", r.blob.Digest.String(), r.offset)
	if err != nil {
		return err
	}
	if left := r.blob.Size - r.offset; resp.ContentLength >= 0 && resp.ContentLength != left {
		resp.Body.Close()
		return fmt.Errorf("wanted %d bytes, the registry sends %d", left, resp.ContentLength)
	}
	r.body = resp.Body
	return nil
}

func (r *resuming) Close() error {
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}

// explain says a registry's refusal in docker's words.
func explain(err error, ref Reference) error {
	const denied = "pull access denied for %s, repository does not exist or may require 'docker login': %w"
	if errors.Is(err, errNoLogin) {
		return fmt.Errorf(denied, ref.FamiliarName(), errNoLogin)
	}
	refused, ok := errors.AsType[*refusal](err)
	if !ok {
		return err
	}
	var code string
	cause := err
	if len(refused.errors) > 0 {
		code = refused.errors[0].Code
		cause = errors.New(refused.errors[0].String())
	}
	switch {
	case code == "MANIFEST_UNKNOWN":
		return fmt.Errorf("manifest for %s not found: %w", ref.Familiar(), cause)
	case code == "NAME_UNKNOWN":
		return fmt.Errorf("repository %s not found: %w", ref.FamiliarName(), cause)
	case code == "DENIED", code == "UNAUTHORIZED",
		refused.status == http.StatusUnauthorized, refused.status == http.StatusForbidden:
		return fmt.Errorf(denied, ref.FamiliarName(), cause)
	case code == "TOOMANYREQUESTS":
		return cause
	}
	return err
}
