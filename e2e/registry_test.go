package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// registry is a running docker-registry.
type registry struct {
	addr string // 127.0.0.1 and a port that the kernel chose
	data string // where its blobs lie
	cmd  *exec.Cmd
}

var listening = regexp.MustCompile(`listening on (127\.0\.0\.1:[0-9]+)`)

// startRegistry starts a registry that keeps its blobs in dir and returns once
// it answers.
func startRegistry(dir string) (*registry, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "config.yml")
	text := fmt.Sprintf(`version: 0.1
log: {level: info}
storage:
  filesystem: {rootdirectory: %q}
  maintenance: {uploadpurging: {enabled: false}}
http: {addr: "127.0.0.1:0", secret: "none"}
`, dir)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	r := &registry{
		data: filepath.Join(dir, "docker/registry/v2"),
		cmd:  exec.Command("docker-registry", "serve", config),
	}
	// A test process that is killed takes the registry along. The signal comes
	// when the thread ends that started it, so this has to be the main goroutine
	// and may not move.
	runtime.LockOSThread()
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := r.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w (Debian: docker-registry)", err)
	}
	var said strings.Builder
	lines := bufio.NewScanner(stderr)
	for r.addr == "" && lines.Scan() {
		fmt.Fprintln(&said, lines.Text())
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			r.addr = m[1]
		}
	}
	if r.addr == "" {
		return nil, fmt.Errorf("docker-registry: %w\n%s", r.cmd.Wait(), said.String())
	}
	go io.Copy(io.Discard, stderr) // a full pipe would stop it

	return r, poll(30*time.Second, func() error {
		resp, err := http.Get("http://" + r.addr + "/v2/")
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("GET /v2/: %s", resp.Status)
		}
		return nil
	})
}

func (r *registry) stop() {
	r.cmd.Process.Kill()
	r.cmd.Wait()
}

// stallingProxy passes manifests and configurations on, but of each layer only
// the first half; then it is silent until the client goes away.
func stallingProxy(addr string) *httptest.Server {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
	proxy.ModifyResponse = func(r *http.Response) error {
		isLayer := strings.Contains(r.Request.URL.Path, "/blobs/") && r.ContentLength > 64<<10
		if r.Request.Method == http.MethodGet && isLayer {
			r.Body = &stallingBody{r.Body, r.ContentLength / 2, r.Request.Context().Done()}
		}
		return nil
	}
	proxy.FlushInterval = -1
	proxy.ErrorLog = log.New(io.Discard, "", 0) // it would tell of each stalled body
	return httptest.NewServer(proxy)
}

type stallingBody struct {
	io.ReadCloser
	left int64
	gone <-chan struct{}
}

func (b *stallingBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		<-b.gone
		return 0, errors.New("stalled")
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// poll calls ready until it succeeds; once the deadline has passed, it returns
// ready's last error.
func poll(deadline time.Duration, ready func() error) error {
	end := time.Now().Add(deadline)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("not within %v: %w", deadline, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
