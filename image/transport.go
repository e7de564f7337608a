package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const userAgent = "gocker"

// newTransport carries the requests of a pull from a registry, to its token server
// and to where its blobs lie.
func newTransport(loopback bool) *retrying {
	return &retrying{&guard{
		base: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:     true,
			MaxIdleConnsPerHost:   parallel + 1,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: time.Minute,
			// Layers are compressed already; a transport that inflated them would
			// change the bytes that the digest is of.
			DisableCompression: true,
		},
		loopback: loopback,
	}}
}

// roundTrips is how often a request is sent while the failure may pass.
const roundTrips = 3

// retrying sends a request again, after 0.1 and 0.3 seconds, when a connection broke
// or a gateway had no answer. Too many requests are not among that: a registry that
// counts pulls does so by the hour.
type retrying struct{ next *guard }

func (r *retrying) RoundTrip(req *http.Request) (*http.Response, error) {
	wait := 100 * time.Millisecond
	for attempt := 1; ; attempt++ {
		resp, err := r.next.RoundTrip(req)
		if attempt == roundTrips || req.Body != nil || req.Context().Err() != nil || !passes(resp, err) {
			return resp, err
		}
		if err == nil {
			discard(resp)
		}
		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-time.After(wait):
		}
		wait *= 3
	}
}

func (r *retrying) CloseIdleConnections() { r.next.base.CloseIdleConnections() }

// passes reports whether the same request may succeed a moment later.
func passes(resp *http.Response, err error) bool {
	if err == nil {
		switch resp.StatusCode {
		case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	for _, broken := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, broken) {
			return true
		}
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsTemporary {
		return true
	}
	slow, ok := errors.AsType[net.Error](err)
	return ok && slow.Timeout()
}

// guard lets plain http pass between loopback addresses only, and tells who asks.
type guard struct {
	base     *http.Transport
	loopback bool
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !(g.loopback && isLoopback(req.URL.Host)) {
		return nil, errors.New("plain http is for registries on loopback only")
	}
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", userAgent)
	return g.base.RoundTrip(req)
}

// isLoopback reports whether host, with or without a port, is this machine by
// its name or address. Names are not looked up: what they resolve to may change.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}

// schemeOf finds out whether a registry on loopback speaks https or http. What speaks
// http only may break the connection at the first byte of TLS, so t is not one that
// tries again.
func schemeOf(ctx context.Context, t *guard, host string) (string, error) {
	ask := func(scheme string) (status int, err error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+host+"/v2/", nil)
		if err != nil {
			return 0, err
		}
		resp, err := t.RoundTrip(req)
		if err != nil {
			return 0, &url.Error{Op: "Get", URL: req.URL.String(), Err: err}
		}
		discard(resp)
		return resp.StatusCode, nil
	}
	_, secure := ask("https")
	if secure == nil {
		return "https", nil
	}
	status, plain := ask("http")
	switch {
	case errors.Is(plain, syscall.ECONNREFUSED):
		return "", plain // nobody listens: one of the two says it
	case plain != nil:
		return "", errors.Join(secure, plain)
	case status == http.StatusBadRequest:
		// What https servers answer to http: the certificate was the trouble.
		return "", secure
	}
	return "http", nil
}

// originOf is what a token or a password is for: scheme, host and port.
func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// maxAnswer bounds what is read of a token or of an error.
const maxAnswer = 64 << 10

// discard ends a response whose body is not wanted, so that its connection can be
// used again.
func discard(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // then it can't
	resp.Body.Close()
}

// refusal is an answer with a status that was not hoped for.
type refusal struct {
	url    string // without its query, in which a storage's signature may stand
	status int
	errors []refusalReason
	body   string // where it has no reasons
}

// refusalReason is an error of the distribution spec 1.1, "Error Codes".
type refusalReason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (r refusalReason) String() string {
	word := strings.ToLower(strings.ReplaceAll(r.Code, "_", " "))
	if r.Message == "" {
		return word
	}
	return word + ": " + r.Message
}

func (e *refusal) Error() string {
	text := fmt.Sprintf("%s: %d %s", e.url, e.status, http.StatusText(e.status))
	for _, reason := range e.errors {
		text += ": " + reason.String()
	}
	if e.body != "" {
		text += fmt.Sprintf(": %q", e.body)
	}
	return text
}

// checkStatus returns a refusal, and the body is read and closed, unless the status
// is the wanted one.
func checkStatus(resp *http.Response, want int) error {
	if resp.StatusCode == want {
		return nil
	}
	defer resp.Body.Close()
	u := *resp.Request.URL
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	refused := &refusal{url: resp.Request.Method + " " + u.String(), status: resp.StatusCode}
	// What can't be read is told by the status.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	var doc struct {
		Errors []refusalReason `json:"errors"`
	}
	if err := json.Unmarshal(body, &doc); err == nil && len(doc.Errors) > 0 {
		refused.errors = doc.Errors
	} else {
		refused.body = strings.TrimSpace(string(body[:min(len(body), 200)]))
	}
	return refused
}
