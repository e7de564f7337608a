package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
)

// environment returns the variables of the files, then those of the flags. A
// name alone takes its value from gocker's own environment, or none.
func (f *createFlags) environment() ([]string, error) {
	lines, err := readKeyFiles(f.envFile, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	for _, v := range f.env {
		name, _, hasValue := strings.Cut(v, "=")
		if name == "" {
			return nil, fmt.Errorf("invalid environment variable: %s", v)
		}
		if value, set := os.LookupEnv(v); !hasValue && set {
			v += "=" + value
		}
		lines = append(lines, v)
	}
	return lines, nil
}

// labels returns those of the files, and of the flags, which win.
func (f *createFlags) labels() (map[string]string, error) {
	lines, err := readKeyFiles(f.labelFile, func(string) (string, bool) { return "", false })
	return keyValues(append(lines, f.label...)), err
}

// readKeyFiles reads the files of --env-file and --label-file.
func readKeyFiles(paths []string, lookup func(string) (string, bool)) ([]string, error) {
	var lines []string
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		more, err := readKeyFile(bufio.NewScanner(file), lookup)
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		lines = append(lines, more...)
	}
	return lines, nil
}

// readKeyFile reads lines NAME=VALUE, or NAME, whose value is looked up and
// without one is left out, with comments after a leading #.
func readKeyFile(lines *bufio.Scanner, lookup func(string) (string, bool)) ([]string, error) {
	var pairs []string
	for lines.Scan() {
		line := strings.TrimLeft(strings.TrimPrefix(lines.Text(), "\ufeff"), " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		name, _, hasValue := strings.Cut(line, "=")
		if name == "" {
			return nil, fmt.Errorf("no variable name on line '%s'", line)
		}
		if strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("variable '%s' contains whitespaces", name)
		}
		if !hasValue {
			value, set := lookup(name)
			if !set {
				continue
			}
			line += "=" + value
		}
		pairs = append(pairs, line)
	}
	return pairs, lines.Err()
}
