package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Imports go one way, from cmd down. A package that is not named here imports
// nothing of gocker.
var mayImport = map[string][]string{
	"cmd/gocker": {"cgroup", "container", "container/step", "image", "layers"},
	"container":  {"cgroup", "container/quickjson", "container/step", "layers", "network"},
	"cgroup":     {"container/step"},
	"layers":     {"container/step"},
	"network":    {"container/step"},
	"image":      {"container/quickjson", "image/inflate"},
}

// onlyInCmd are the libraries that talk to a user.
var onlyInCmd = []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/schollz/progressbar/v3", "golang.org/x/term"}

func TestImportsGoOneWay(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := 0
	for _, top := range []string{"cmd", "cgroup", "container", "image", "layers", "network"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			pkg, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			seen++
			for _, spec := range file.Imports {
				name, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					return err
				}
				own, isOwn := strings.CutPrefix(name, "gocker/")
				if isOwn && !slices.Contains(mayImport[pkg], own) {
					t.Errorf("%s: package %s must not import %s", path, pkg, own)
				}
				if slices.Contains(onlyInCmd, name) && pkg != "cmd/gocker" {
					t.Errorf("%s: only cmd/gocker imports %s", path, name)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 30 {
		t.Errorf("looked at %d files only", seen)
	}
}
