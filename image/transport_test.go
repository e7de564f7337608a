package image

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
)

func TestAFailureThatMayPassIsTriedAgain(t *testing.T) {
	ends := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	resets := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
	for _, c := range []struct {
		name  string
		fail  http.HandlerFunc
		times int32 // it fails, then the manifest comes
		asked int32
		words string
	}{
		{"once unavailable", fails(http.StatusServiceUnavailable, ""), 1, 2, ""},
		{"twice a bad gateway", fails(http.StatusBadGateway, ""), 2, 3, ""},
		{"a connection that ends", ends, 2, 3, ""},
		{"a connection that is reset", resets, 2, 3, ""},
		{"a gateway that stays slow", fails(http.StatusGatewayTimeout, ""), 9, 3, "504 Gateway Timeout"},
		{"a connection that ends always", ends, 9, 3, "EOF"},
		{"an error of the registry", fails(http.StatusInternalServerError, ""), 9, 1, "500 Internal Server Error"},
		{"too many requests", fails(http.StatusTooManyRequests, ""), 9, 1, "429 Too Many Requests"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // it waits
			reg := newRegistry(t)
			reg.Config.SetKeepAlivesEnabled(false) // net/http tries an old connection's again by itself
			reg.push("latest", reg.image("1"))
			m := reg.manifests["latest"]
			var asked atomic.Int32
			reg.serve["latest"] = func(w http.ResponseWriter, req *http.Request) {
				if asked.Add(1) <= c.times {
					c.fail(w, req)
					return
				}
				w.Write(m.body)
			}
			_, _, _, err := connectTo(t, reg.name("a")).manifest(t.Context(), "latest")
			if c.words == "" && err != nil {
				t.Error(err)
			}
			if c.words != "" {
				wantError(t, err, c.words)
			}
			if got := asked.Load(); got != c.asked {
				t.Errorf("asked %d times, want %d", got, c.asked)
			}
		})
	}
}

func TestARegistryWhoseCertificateIsBadIsNotAskedInTheClear(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	s, _ := newStore(t)
	_, _, err := s.Pull(t.Context(), server.Listener.Addr().String()+"/a", PullOptions{})
	wantError(t, err, "https://", "certificate")
}

func TestDockerHubIsAskedUnderItsRegistrysName(t *testing.T) {
	if got, want := connectTo(t, "alpine").base, "https://registry-1.docker.io/v2/library/alpine"; got != want {
		t.Errorf("base is %s, want %s", got, want)
	}
}

func TestAnOriginIsSchemeHostAndPort(t *testing.T) {
	for raw, want := range map[string]string{
		"https://Quay.io/v2/":      "https://quay.io:443",
		"https://quay.io:443/":     "https://quay.io:443",
		"https://x.quay.io/":       "https://x.quay.io:443",
		"https://quay.io:8443/":    "https://quay.io:8443",
		"http://[::1]/":            "http://[::1]:80",
		"https://quay.io@evil.io/": "https://evil.io:443",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := originOf(u); got != want {
			t.Errorf("origin of %s is %s, want %s", raw, got, want)
		}
	}
}

func TestARefusalTellsNoSignature(t *testing.T) {
	u, _ := url.Parse("https://user:pw@storage.example/blob?X-Signature=secret")
	resp := &http.Response{StatusCode: http.StatusForbidden, Body: http.NoBody, Request: &http.Request{Method: http.MethodGet, URL: u}}
	if got, want := checkStatus(resp, http.StatusOK).Error(), "GET https://storage.example/blob: 403 Forbidden"; got != want {
		t.Errorf("refusal is %q, want %q", got, want)
	}
}
