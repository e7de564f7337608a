package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestOneTokenServesAWholePull(t *testing.T) {
	for _, word := range []string{"token", "access_token"} {
		g := newGuarded(t)
		g.word = word
		g.push("latest", g.image("1", "2", "3", "4", "5"))
		s, _ := newStore(t)
		if _, _, err := s.Pull(t.Context(), g.name("a/b"), PullOptions{}); err != nil {
			t.Fatal(err)
		}
		want := []string{"scope=repository%3Aa%2Fb%3Apull&service=the+registry&x=1"}
		if !slices.Equal(g.fetched, want) {
			t.Errorf("tokens were asked for with %q, want %q", g.fetched, want)
		}
		if g.agents[userAgent] == 0 || len(g.agents) != 1 {
			t.Errorf("user agents are %v", g.agents)
		}
	}
}

func TestRequestsThatAreRefusedAtOnceFetchOneToken(t *testing.T) {
	const requests = 5
	g := newGuarded(t)
	g.push("latest", g.image("1"))
	r := connectTo(t, g.name("a"))
	for want := 1; want <= 2; want++ {
		// Nobody gets an answer before all have asked.
		var asked sync.WaitGroup
		asked.Add(requests)
		g.refusing = func() { asked.Done(); asked.Wait() }
		var all sync.WaitGroup
		for range requests {
			all.Go(func() {
				if _, _, _, err := r.manifest(t.Context(), "latest"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(g.fetched) != want {
			t.Errorf("%d tokens were fetched, want %d", len(g.fetched), want)
		}
		g.expire()
	}
}

func TestATokenThatIsNotTakenIsNotFetchedAgainAndAgain(t *testing.T) {
	g := newGuarded(t)
	g.expireAtOnce = true
	g.push("latest", g.image("1"))
	s, _ := newStore(t)
	_, _, err := s.Pull(t.Context(), g.name("a"), PullOptions{})
	wantError(t, err, "pull access denied for "+g.name("a")+", repository does not exist or may require 'docker login': unauthorized: authentication required")
	if len(g.fetched) != 1 || g.refused != 2 {
		t.Errorf("%d tokens were fetched after %d refusals, want 1 after 2", len(g.fetched), g.refused)
	}
}

func TestAWaitForAnothersTokenEndsWithItsContext(t *testing.T) {
	a := &authorizer{}
	s := a.server("https://quay.io:443")
	s.turn <- struct{}{} // another fetches a token
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://quay.io/v2/", nil)
	if _, err := a.renew(req, s, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context canceled", err)
	}
}

func TestATokenServerThatIsNoneIsRefused(t *testing.T) {
	big := `{"token":"` + strings.Repeat("x", maxAnswer) + `"}`
	for _, c := range []struct {
		name, challenge string
		answer          http.HandlerFunc
		words           []string
	}{
		{"no realm", `Bearer service="x"`, nil, []string{`no token server in ""`}},
		{"a path", `Bearer realm="/token"`, nil, []string{`no token server in "/token"`}},
		{"another scheme", `Bearer realm="ftp://127.0.0.1/token"`, nil, []string{"ftp://127.0.0.1: it has to speak https"}},
		{"plain http elsewhere", `Bearer realm="http://169.254.169.254/latest"`, nil, []string{"plain http is for registries on loopback only"}},
		{"no JSON", "", sends([]byte("<html>")), []string{"is no JSON document"}},
		{"no token", "", sends([]byte(`{"expires_in":60}`)), []string{"sent none"}},
		{"a token without end", "", sends([]byte(big)), []string{"is no JSON document of 65536 bytes at most"}},
		{"a refusal", "", fails(http.StatusForbidden, `{"details":"go away"}`), []string{"pull access denied for ", "403 Forbidden", "go away"}},
		{"a failure", "", fails(http.StatusInternalServerError, ``), []string{"token for 127.0.0.1:", "500 Internal Server Error"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGuarded(t)
			g.push("latest", g.image("1"))
			if c.challenge != "" {
				g.challenge = c.challenge
			}
			g.answer = c.answer
			s, _ := newStore(t)
			_, _, err := s.Pull(t.Context(), g.name("a"), PullOptions{})
			wantError(t, err, c.words...)
		})
	}
	// A registry that speaks https can't have the token asked for in the clear, not
	// even on this machine.
	a := &authorizer{next: newTransport(true)}
	from, _ := url.Parse("https://localhost:5000/v2/")
	_, err := a.token(t.Context(), from, challenge{"bearer", map[string]string{"realm": "http://localhost:5001/token"}}, login{})
	wantError(t, err, "http://localhost:5001: it has to speak https")
}

func TestARedirectTakesNoTokenElsewhere(t *testing.T) {
	g := newGuarded(t)
	img := g.image("1")
	g.push("latest", img)
	layer := img.manifest.Layers[0].Digest.String()
	// Another port of the same address: net/http would send the header on.
	var got []http.Header
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		got = append(got, req.Header)
		w.Write(g.blobs[layer])
	}))
	t.Cleanup(storage.Close)
	g.serve[layer] = func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, storage.URL+"/blob?signature=secret", http.StatusTemporaryRedirect)
	}
	s, _ := newStore(t)
	if _, _, err := s.Pull(t.Context(), g.name("a"), PullOptions{}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0]["Authorization"] != nil {
		t.Errorf("the storage was asked with %v", got)
	}
}

func TestARegistryToWhichARedirectLeadsGetsATokenOfItsOwnAndNoPassword(t *testing.T) {
	writeLogin(t, `{}`)
	other := newGuarded(t)
	other.push("latest", other.image("1"))
	g := newGuarded(t)
	writeLogin(t, fmt.Sprintf(`{"auths":{%q:{"auth":"dTpw"},%q:{"auth":"dTpw"}}}`, g.host(), other.host()))
	g.serve["latest"] = func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, "http://"+other.name("x/manifests/latest"), http.StatusTemporaryRedirect)
	}
	r := connectTo(t, g.name("a"))
	if _, _, _, err := r.manifest(t.Context(), "latest"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"Basic dTpw"}; !slices.Equal(g.passwords, want) {
		t.Errorf("the registry's token server got %q, want %q", g.passwords, want)
	}
	if want := []string{""}; !slices.Equal(other.passwords, want) {
		t.Errorf("the other token server got %q, want %q", other.passwords, want)
	}
}

func TestAPasswordDoesNotFollowATokenServersRedirect(t *testing.T) {
	g := newGuarded(t)
	g.push("latest", g.image("1"))
	var got []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		got = append(got, req.Header.Get("Authorization"))
		g.issue(w, req)
	}))
	t.Cleanup(elsewhere.Close)
	g.answer = func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, elsewhere.URL, http.StatusTemporaryRedirect)
	}
	for _, login := range []string{`{"auth":"dTpw"}`, `{"identitytoken":"id"}`} {
		writeLogin(t, fmt.Sprintf(`{"auths":{%q:%s}}`, g.host(), login))
		s, _ := newStore(t)
		_, _, err := s.Pull(t.Context(), g.name("a"), PullOptions{})
		wantError(t, err, "redirects a password to another server")
	}
	writeLogin(t, `{}`)
	s, _ := newStore(t)
	if _, _, err := s.Pull(t.Context(), g.name("a"), PullOptions{}); err != nil {
		t.Error(err)
	}
	if want := []string{""}; !slices.Equal(got, want) {
		t.Errorf("the other server got %q, want %q", got, want)
	}
}

func TestALoginOpensARegistry(t *testing.T) {
	for _, c := range []struct {
		name, challenge, login, want string
		refused                      int
	}{
		{"no password for a token", "", `{}`, "", 1},
		{"a password for a token", "", `{"auths":{"HOST":{"auth":"dTpw"}}}`, "", 1},
		{"an identity for a token", "", `{"auths":{"HOST":{"identitytoken":"id"}}}`, "", 1},
		{"a token", "", `{"auths":{"HOST":{"registrytoken":"known"}}}`, "", 1},
		{"a password", `Basic realm="x"`, `{"auths":{"HOST":{"auth":"dTpw"}}}`, "", 1},
		{"a password beside what we don't know", `Negotiate YII=, Basic realm="x"`, `{"auths":{"HOST":{"auth":"dTpw"}}}`, "", 1},
		{"no password", `Basic realm="x"`, `{}`, "pull access denied for HOST/a, repository does not exist or may require 'docker login': no basic auth credentials", 1},
		{"a wrong password", `Basic realm="x"`, `{"auths":{"HOST":{"auth":"dTp4"}}}`, "may require 'docker login': unauthorized: authentication required", 2},
		{"what we don't know", `Negotiate`, `{}`, "may require 'docker login': unauthorized: authentication required", 1},
		{"a file that is damaged", "", `{`, "login for HOST: ", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGuarded(t)
			g.push("latest", g.image("1", "2"))
			g.valid["Basic dTpw"], g.valid["Bearer known"] = true, true
			if c.challenge != "" {
				g.challenge = c.challenge
			}
			writeLogin(t, strings.ReplaceAll(c.login, "HOST", g.host()))
			s, _ := newStore(t)
			_, _, err := s.Pull(t.Context(), g.name("a"), PullOptions{})
			if c.want == "" && err != nil {
				t.Error(err)
			}
			if c.want != "" {
				wantError(t, err, strings.ReplaceAll(c.want, "HOST", g.host()))
			}
			if g.refused != c.refused {
				t.Errorf("the registry refused %d requests, want %d", g.refused, c.refused)
			}
			if strings.Contains(c.login, "identitytoken") && (len(g.posted) != 1 || g.posted[0] != "client_id=gocker&grant_type=refresh_token&refresh_token=id&scope=repository%3Aa%3Apull&service=the+registry") {
				t.Errorf("the token server was sent %q", g.posted)
			}
		})
	}
}

// guarded is a test registry that wants a token, and the server that has it.
type guarded struct {
	*testRegistry
	front, tokens *httptest.Server
	challenge     string
	word          string           // of the token's JSON
	refusing      func()           // called before a 401
	answer        http.HandlerFunc // the token server's, unless nil
	expireAtOnce  bool             // each token that is issued is stale

	mu        sync.Mutex
	valid     map[string]bool // Authorization headers
	fetched   []string        // queries of the token server
	passwords []string        // and its Authorization headers
	posted    []string        // and its forms
	agents    map[string]int
	refused   int // requests to the registry
}

func newGuarded(t *testing.T) *guarded {
	writeLogin(t, `{}`)
	g := &guarded{testRegistry: newRegistry(t), word: "token", valid: make(map[string]bool), agents: make(map[string]int)}
	g.tokens = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if g.answer != nil {
			g.answer(w, req)
			return
		}
		g.issue(w, req)
	}))
	t.Cleanup(g.tokens.Close)
	g.challenge = fmt.Sprintf(`Negotiate, Bearer realm="%s/?x=1",service="the registry"`, g.tokens.URL)
	g.front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		g.mu.Lock()
		ok := g.valid[req.Header.Get("Authorization")]
		g.agents[req.UserAgent()]++
		ok = ok || req.URL.Path == "/v2/"
		if !ok {
			g.refused++
		}
		g.mu.Unlock()
		if ok {
			g.ServeHTTP(w, req)
			return
		}
		if g.refusing != nil {
			g.refusing()
		}
		w.Header().Set("WWW-Authenticate", g.challenge)
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
	}))
	t.Cleanup(g.front.Close)
	return g
}

func (g *guarded) host() string            { return g.front.Listener.Addr().String() }
func (g *guarded) name(path string) string { return g.host() + "/" + path }

func (g *guarded) issue(w http.ResponseWriter, req *http.Request) {
	form, _ := io.ReadAll(req.Body)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fetched = append(g.fetched, req.URL.RawQuery)
	g.passwords = append(g.passwords, req.Header.Get("Authorization"))
	g.posted = append(g.posted, string(form))
	g.agents[req.UserAgent()]++
	token := fmt.Sprint("t", len(g.fetched))
	g.valid["Bearer "+token] = !g.expireAtOnce
	json.NewEncoder(w).Encode(map[string]any{g.word: token, "expires_in": 60})
}

// expire makes the registry refuse what was issued.
func (g *guarded) expire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.valid)
}

func connectTo(t *testing.T, name string) *registry {
	t.Helper()
	ref, err := ParseReference(name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := connect(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

// writeLogin makes docker's config.json the only file with logins.
func writeLogin(t *testing.T, config string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"HOME", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"} {
		t.Setenv(name, dir)
	}
	t.Setenv("REGISTRY_AUTH_FILE", "")
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}
