package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestALoginIsFoundWhereDockerAndPodmanLeaveIt(t *testing.T) {
	u := login{username: "u", password: "p:q"}
	const auth = `{"auth":"dTpwOnE="}` // u:p:q
	for _, c := range []struct {
		name  string
		files map[string]string // below the home directory
		ref   string
		want  login
	}{
		{"nowhere", nil, "quay.io/a/b", login{}},
		{"docker's", map[string]string{".docker/config.json": `{"auths":{"quay.io":` + auth + `}}`}, "quay.io/a/b", u},
		{"another registry's", map[string]string{".docker/config.json": `{"auths":{"quay.io":` + auth + `}}`}, "quay.io:443/a/b", login{}},
		{"docker's, of old", map[string]string{".docker/config.json": `{"auths":{"https://quay.io/v1/":` + auth + `}}`}, "quay.io/a/b", u},
		{"docker's, for Docker Hub", map[string]string{".docker/config.json": `{"auths":{"https://index.docker.io/v1/":` + auth + `}}`}, "alpine", u},
		{"podman's, for Docker Hub", map[string]string{"run/containers/auth.json": `{"auths":{"docker.io":` + auth + `}}`}, "alpine", u},
		{"podman's, to stay", map[string]string{".config/containers/auth.json": `{"auths":{"quay.io":` + auth + `}}`}, "quay.io/a/b", u},
		{"podman's, beside docker's for others", map[string]string{
			".docker/config.json":      `{"auths":{"ghcr.io":{"auth":"eDp5"}}}`,
			"run/containers/auth.json": `{"auths":{"quay.io":` + auth + `}}`,
		}, "quay.io/a/b", u},
		{"podman's, for a part", map[string]string{"run/containers/auth.json": `{"auths":{"quay.io":{"auth":"eDp5"},"quay.io/a":` + auth + `}}`}, "quay.io/a/b", u},
		{"podman's, for another part", map[string]string{"run/containers/auth.json": `{"auths":{"quay.io/c":` + auth + `}}`}, "quay.io/a/b", login{}},
		{"an identity", map[string]string{".docker/config.json": `{"auths":{"quay.io":{"auth":"PHRva2VuPjo=","identitytoken":"id"}}}`}, "quay.io/a", login{username: "<token>", identity: "id"}},
		{"a helper's", map[string]string{".docker/config.json": `{"auths":{"quay.io":{}},"credsStore":"test"}`, "docker-credential-test": "#!/bin/sh\n" + `test "$1 $(cat)" = "get quay.io" && echo '{"Username":"u","Secret":"p:q"}'`}, "quay.io/a", u},
		{"a helper's identity", map[string]string{".docker/config.json": `{"credHelpers":{"quay.io":"test"}}`, "docker-credential-test": "#!/bin/sh\n" + `echo '{"Username":"<token>","Secret":"id"}'`}, "quay.io/a", login{identity: "id"}},
		{"a helper that knows none", map[string]string{".docker/config.json": `{"credsStore":"test"}`, "docker-credential-test": "#!/bin/sh\necho credentials not found in native keychain; exit 1"}, "quay.io/a", login{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			home(t, c.files)
			ref, err := ParseReference(c.ref)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := findLogin(t.Context(), ref); err != nil || got != c.want {
				t.Errorf("login is %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestALoginThatCannotBeReadIsNoSilentGuest(t *testing.T) {
	for words, files := range map[string]map[string]string{
		"config.json: unexpected end":           {".docker/config.json": `{`},
		"auth of quay.io is not base64":         {".docker/config.json": `{"auths":{"quay.io":{"auth":"!"}}}`},
		"docker-credential-none":                {".docker/config.json": `{"credsStore":"none"}`},
		"docker-credential-test: exit status":   {".docker/config.json": `{"credsStore":"test"}`, "docker-credential-test": "#!/bin/sh\nexit 3"},
		"docker-credential-test: its answer is": {".docker/config.json": `{"credsStore":"test"}`, "docker-credential-test": "#!/bin/sh\necho hi"},
	} {
		home(t, files)
		_, err := findLogin(t.Context(), Reference{Domain: "quay.io", Path: "a"})
		wantError(t, err, "login for quay.io: ", words)
	}
}

// home makes a home directory, which is in PATH too, the only place for logins.
func home(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"DOCKER_CONFIG", "XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", dir)
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "run"))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o600)
		if strings.HasPrefix(text, "#!") {
			mode = 0o700
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
}
