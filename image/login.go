package image

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// login is what `docker login` or `podman login` left for a registry. The zero
// value is nobody's.
type login struct {
	username, password string
	identity           string // exchanged for a token, in the place of a password
	bearer             string // a token already
}

// loginFile is docker's config.json and podman's auth.json, as far as they are
// about logins (docker/cli, "docker login"; containers-auth.json(5)).
type loginFile struct {
	Auths map[string]struct {
		Auth          string `json:"auth"` // base64 of user:password
		IdentityToken string `json:"identitytoken"`
		RegistryToken string `json:"registrytoken"`
	} `json:"auths"`
	CredHelpers map[string]string `json:"credHelpers"`
	CredsStore  string            `json:"credsStore"`
}

// findLogin returns the login for a repository: that of the first file that has one,
// docker's before podman's.
func findLogin(ctx context.Context, ref Reference) (login, error) {
	for _, path := range loginFiles() {
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return login{}, fmt.Errorf("login for %s: %w", ref.Domain, err)
		}
		var f loginFile
		if err := json.Unmarshal(raw, &f); err != nil {
			return login{}, fmt.Errorf("login for %s: %s: %w", ref.Domain, path, err)
		}
		l, err := f.find(ctx, ref)
		if err != nil {
			return login{}, fmt.Errorf("login for %s: %s: %w", ref.Domain, path, err)
		}
		if l != (login{}) {
			return l, nil
		}
	}
	return login{}, nil
}

func loginFiles() []string {
	home, _ := os.UserHomeDir() // without one, only what the environment names is read
	var files []string
	add := func(dir, below, name string) {
		if dir == "" && home != "" && below != "" {
			dir = filepath.Join(home, below)
		}
		if dir != "" {
			files = append(files, filepath.Join(dir, name))
		}
	}
	add(os.Getenv("DOCKER_CONFIG"), ".docker", "config.json")
	add(os.Getenv("REGISTRY_AUTH_FILE"), "", "")
	add(os.Getenv("XDG_RUNTIME_DIR"), "", "containers/auth.json")
	add(os.Getenv("XDG_CONFIG_HOME"), ".config", "containers/auth.json")
	return files
}

// loginKeys are the names under which a file may have the login, the narrowest
// first: podman keeps logins for parts of a registry, docker one by an URL of old.
func loginKeys(ref Reference) []string {
	var keys []string
	for key := ref.Name(); key != ref.Domain; key = key[:strings.LastIndexByte(key, '/')] {
		keys = append(keys, key)
	}
	if ref.Domain == defaultDomain {
		return append(keys, "https://index.docker.io/v1/", "index.docker.io", defaultDomain, "registry-1.docker.io")
	}
	return append(keys, ref.Domain, "https://"+ref.Domain, "https://"+ref.Domain+"/v1/", "https://"+ref.Domain+"/v2/")
}

func (f *loginFile) find(ctx context.Context, ref Reference) (login, error) {
	keys := loginKeys(ref)
	for _, key := range keys {
		if helper := f.CredHelpers[key]; helper != "" {
			return askHelper(ctx, helper, key)
		}
	}
	for _, key := range keys {
		// docker leaves an empty entry where a helper has the secret.
		if a, ok := f.Auths[key]; ok && (a.Auth != "" || a.IdentityToken != "" || a.RegistryToken != "") {
			l := login{identity: a.IdentityToken, bearer: a.RegistryToken}
			raw, err := base64.StdEncoding.DecodeString(a.Auth)
			if err != nil {
				return login{}, fmt.Errorf("auth of %s is not base64", key)
			}
			l.username, l.password, _ = strings.Cut(strings.TrimRight(string(raw), "\x00"), ":")
			return l, nil
		}
	}
	if f.CredsStore == "" {
		return login{}, nil
	}
	if ref.Domain == defaultDomain {
		return askHelper(ctx, f.CredsStore, "https://index.docker.io/v1/")
	}
	return askHelper(ctx, f.CredsStore, ref.Domain)
}

// askHelper runs a credential helper (docker/docker-credential-helpers, "Usage").
func askHelper(ctx context.Context, helper, server string) (login, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "docker-credential-"+helper, "get")
	cmd.Stdin, cmd.Stdout = strings.NewReader(server), &out
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(out.String())
		if said == "credentials not found in native keychain" {
			return login{}, nil
		}
		return login{}, fmt.Errorf("docker-credential-%s: %w: %s", helper, err, said)
	}
	var answer struct{ Username, Secret string }
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		return login{}, fmt.Errorf("docker-credential-%s: its answer is not JSON", helper)
	}
	if answer.Username == "<token>" {
		return login{identity: answer.Secret}, nil
	}
	return login{username: answer.Username, password: answer.Secret}, nil
}
