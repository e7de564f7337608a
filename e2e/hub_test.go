package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"gocker/e2e/fixture"
)

// hub stands in for Docker Hub, so that `gocker pull alpine` and a curl can be run
// as they are typed. It is the way there that is another: a proxy, as many offices
// have one, that leads the hub's names to a server here, with a certificate of its
// own authority. The server asks for a token as the hub does, and passes what has
// one on to the registry of the tests.
type hub struct {
	proxy, server *httptest.Server
	authority     string // file with the certificate
}

// The names that lead to the hub.
var hubNames = []string{"registry-1.docker.io", "auth.docker.io"}

// hubImages are the images that the tutorial pulls, by the fixture that is behind
// each.
var hubImages = map[string]string{
	"busybox":      "library",
	"alpine":       "library",
	"nginx:alpine": "layered",
}

const hubToken = "a-token-for-anybody"

func startHub(r *registry, from *fixture.Source, dir string) (*hub, error) {
	for name, kind := range hubImages {
		image, err := fixture.Build(kind, from)
		if err != nil {
			return nil, err
		}
		if err := fixture.Push(context.Background(), r.addr+"/library/"+name, image); err != nil {
			return nil, err
		}
	}
	certificate, err := selfSigned(hubNames)
	if err != nil {
		return nil, err
	}
	h := &hub{authority: dir + "/hub.pem"}
	block := &pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}
	if err := os.WriteFile(h.authority, pem.EncodeToMemory(block), 0o644); err != nil {
		return nil, err
	}
	quiet := log.New(io.Discard, "", 0)
	h.server = httptest.NewUnstartedServer(askForToken(&httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: r.addr})
			p.Out.Header.Del("Authorization")
		},
		ErrorLog: quiet,
	}))
	h.server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	h.server.Config.ErrorLog = quiet
	h.server.StartTLS()
	h.proxy = httptest.NewServer(tunnelTo(h.server.Listener.Addr().String()))
	return h, nil
}

// environment is what makes Go's programs and curl go there.
func (h *hub) environment() []string {
	return []string{
		"HTTPS_PROXY=" + h.proxy.URL, "https_proxy=" + h.proxy.URL,
		"SSL_CERT_FILE=" + h.authority, "CURL_CA_BUNDLE=" + h.authority,
	}
}

// listenFor has the hub in a shell's network, too, at the same address, until the
// function that it returns is called.
func (h *hub) listenFor(t *testing.T, s *shell) (stop func()) {
	namespace := fmt.Sprintf("/proc/%d/ns/net", s.cmd.Process.Pid)
	var listener net.Listener
	err := inNetwork(namespace, func() (err error) {
		listener, err = net.Listen("tcp", h.proxy.Listener.Addr().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h.proxy.Config.Handler, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(listener) }()
	return func() { _ = server.Close() }
}

func (h *hub) stop() {
	h.proxy.Close()
	h.server.Close()
}

// askForToken refuses what comes without a token and tells where to get one: see
// the distribution project's token authentication.
func askForToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host == "auth.docker.io":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"token":%q,"expires_in":300}`, hubToken)
		case r.Header.Get("Authorization") != "Bearer "+hubToken:
			repository, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/")
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(
				`Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:%s:pull"`, repository))
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintln(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// tunnelTo is a proxy's CONNECT (RFC 9110, 9.3.6) that leads the hub's names to
// addr and all others nowhere.
func tunnelTo(addr string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		known := false
		for _, name := range hubNames {
			known = known || r.Host == name+":443"
		}
		if r.Method != http.MethodConnect || !known {
			http.Error(w, "this proxy leads to "+strings.Join(hubNames, " and ")+" only", http.StatusForbidden)
			return
		}
		there, err := net.Dial("tcp", addr)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		here, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			there.Close()
			return
		}
		go func() {
			_, _ = io.Copy(there, buffered) // either may go away first
			there.Close()
		}()
		_, _ = io.Copy(here, there)
		here.Close()
	})
}

func selfSigned(names []string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: names[0]},
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		DNSNames:              names,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
