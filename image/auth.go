package image

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// errNoLogin says, in docker's words, that a password is asked for and none is known.
var errNoLogin = errors.New("no basic auth credentials")

// authorizer sends requests with the token or password that their server asks for.
// It waits to be asked (a 401 with a challenge), answers once, and sends the answer
// with all that follows. A token is used until the server refuses it, whatever
// expires_in said: the server's clock counts.
//
// The token protocol is that of the distribution project ("Token Authentication
// Specification"), in the terms of RFC 6750. What was given for one origin is sent
// to no other, as where a blob's redirect leads; net/http by itself would send it
// to other ports and subdomains of a host too.
type authorizer struct {
	next     *retrying
	registry string // its origin, the only one for which the login is used
	scope    string // asked for where a challenge names none: repository:a/b:pull
	login    func(context.Context) (login, error)

	mu      sync.Mutex
	servers map[string]*server // by origin
}

// server is what is known of one origin.
type server struct {
	answer atomic.Pointer[string] // the Authorization header; nil before a challenge
	turn   chan struct{}          // full while one request fetches the next answer
}

// RoundTrip implements http.RoundTripper, for requests without a body.
func (a *authorizer) RoundTrip(req *http.Request) (*http.Response, error) {
	s := a.server(originOf(req.URL))
	sent := s.answer.Load()
	resp, err := a.send(req, sent)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	answer, err := a.renew(req, s, sent, parseChallenges(resp.Header.Values("WWW-Authenticate")))
	if err != nil {
		discard(resp)
		return nil, err
	}
	if answer == sent {
		return resp, nil
	}
	discard(resp)
	return a.send(req, answer)
}

func (a *authorizer) CloseIdleConnections() { a.next.CloseIdleConnections() }

func (a *authorizer) server(origin string) *server {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.servers == nil {
		a.servers = make(map[string]*server)
	}
	s := a.servers[origin]
	if s == nil {
		s = &server{turn: make(chan struct{}, 1)}
		a.servers[origin] = s
	}
	return s
}

func (a *authorizer) send(req *http.Request, answer *string) (*http.Response, error) {
	if answer != nil {
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", *answer)
	}
	return a.next.RoundTrip(req)
}

// renew replaces the answer that was refused. Of several requests that were refused
// at once one does it and the others wait for it. It returns the refused answer
// where there is no better one.
func (a *authorizer) renew(req *http.Request, s *server, refused *string, challenges []challenge) (*string, error) {
	ctx := req.Context()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.turn }()
	if answer := s.answer.Load(); answer != refused {
		return answer, nil
	}
	header, err := a.answerTo(ctx, req.URL, challenges)
	if err != nil || header == "" || refused != nil && *refused == header {
		return refused, err
	}
	s.answer.Store(&header)
	return &header, nil
}

// answerTo is the Authorization header that one of the challenges asks for, empty
// where none is understood.
func (a *authorizer) answerTo(ctx context.Context, from *url.URL, challenges []challenge) (string, error) {
	offered := make(map[string]challenge)
	for _, c := range challenges {
		if _, ok := offered[c.scheme]; !ok {
			offered[c.scheme] = c
		}
	}
	bearer, wantsToken := offered["bearer"]
	_, wantsPassword := offered["basic"]
	if !wantsToken && !wantsPassword {
		return "", nil
	}
	var l login
	if originOf(from) == a.registry {
		var err error
		if l, err = a.login(ctx); err != nil {
			return "", err
		}
	}
	switch {
	case wantsToken && l.bearer != "":
		return "Bearer " + l.bearer, nil
	case wantsToken:
		token, err := a.token(ctx, from, bearer, l)
		return "Bearer " + token, err
	case l.username != "":
		return l.basic(), nil
	}
	return "", errNoLogin
}

// token asks the token server that a challenge names.
func (a *authorizer) token(ctx context.Context, from *url.URL, c challenge, l login) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	realm, err := url.Parse(c.params["realm"])
	if err != nil || realm.Host == "" {
		return "", fmt.Errorf("token for %s: no token server in %q", from.Host, c.params["realm"])
	}
	if realm.Scheme != "https" && (realm.Scheme != "http" || from.Scheme != "http") {
		return "", fmt.Errorf("token for %s: token server %s://%s: it has to speak https", from.Host, realm.Scheme, realm.Host)
	}
	req, err := a.tokenRequest(ctx, realm, c, l)
	if err != nil {
		return "", fmt.Errorf("token for %s: %w", from.Host, err)
	}
	client := &http.Client{Transport: a.next, CheckRedirect: func(to *http.Request, via []*http.Request) error {
		if len(via) == 10 {
			return errors.New("stopped after 10 redirects")
		}
		if l != (login{}) && originOf(to.URL) != originOf(realm) {
			return errors.New("the token server redirects a password to another server")
		}
		return nil
	}}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("token for %s: %w", from.Host, err)
	}
	if err := checkStatus(resp, http.StatusOK); err != nil {
		return "", fmt.Errorf("token for %s: %w", from.Host, err)
	}
	defer resp.Body.Close()
	var answer struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"` // OAuth 2's word for the same
	}
	// Errors of encoding/json may quote the input, which is a secret.
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&answer); err != nil {
		return "", fmt.Errorf("token for %s: what token server %s sent is no JSON document of %d bytes at most", from.Host, realm.Host, maxAnswer)
	}
	if answer.Token == "" {
		answer.Token = answer.AccessToken
	}
	if answer.Token == "" {
		return "", fmt.Errorf("token for %s: token server %s sent none", from.Host, realm.Host)
	}
	return answer.Token, nil
}

// tokenRequest is a GET with the password, if there is one, or OAuth 2's POST where
// the login is an identity token.
func (a *authorizer) tokenRequest(ctx context.Context, realm *url.URL, c challenge, l login) (*http.Request, error) {
	ask := url.Values{"scope": strings.Fields(c.params["scope"])}
	if len(ask["scope"]) == 0 {
		ask.Set("scope", a.scope)
	}
	if service := c.params["service"]; service != "" {
		ask.Set("service", service)
	}
	if l.identity != "" {
		ask.Set("scope", strings.Join(ask["scope"], " ")) // RFC 6749, 3.3
		ask.Set("grant_type", "refresh_token")
		ask.Set("refresh_token", l.identity)
		ask.Set("client_id", userAgent)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, realm.String(), strings.NewReader(ask.Encode()))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return req, err
	}
	to := *realm
	query := to.Query()
	for name, values := range ask {
		query[name] = values
	}
	to.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err == nil && l.username != "" {
		req.Header.Set("Authorization", l.basic())
	}
	return req, err
}

func (l login) basic() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(l.username+":"+l.password))
}
