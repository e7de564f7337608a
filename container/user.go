package container

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"gocker/layers"
)

// user is who the command runs as.
type user struct {
	uid, gid uint32
	// groups are the supplementary ones. The user's own is the first of them:
	// else a set-group-ID program could take it off, and so pass where a file's
	// mode keeps just that group out (CVE-2022-36109).
	groups []uint32
	home   string
}

// passwdEntry is a line of passwd(5), groupEntry one of group(5).
type (
	passwdEntry struct {
		name     string
		uid, gid uint32
		home     string
	}
	groupEntry struct {
		name    string
		gid     uint32
		members []string
	}
)

// findUser resolves USER, "", "name", "uid" and each with ":group", by the
// image's own /etc/passwd and /etc/group, and more groups, each by its name or
// number. A number needs no entry there.
func findUser(spec string, more []string, root layers.Stack) (user, error) {
	passwd, err := readEntries(root, "/etc/passwd", parsePasswd)
	if err != nil {
		return user{}, err
	}
	group, err := readEntries(root, "/etc/group", parseGroup)
	if err != nil {
		return user{}, err
	}
	u, err := resolveUser(spec, passwd, group)
	if err != nil {
		return u, err
	}
	return u, u.add(more, group)
}

// add gives the user more groups.
func (u *user) add(more []string, group []groupEntry) error {
	for _, name := range more {
		gid, numeric := parseID(name)
		i := slices.IndexFunc(group, func(e groupEntry) bool { return e.name == name })
		switch {
		case i >= 0:
			gid = group[i].gid
		case !numeric:
			return fmt.Errorf("unable to find group %s: no matching entries in group file", name)
		}
		if !slices.Contains(u.groups, gid) {
			u.groups = append(u.groups, gid)
		}
	}
	return nil
}

func resolveUser(spec string, passwd []passwdEntry, group []groupEntry) (user, error) {
	name, groupName, hasGroup := strings.Cut(spec, ":")
	if name == "" {
		name = "0"
	}
	u := user{home: "/"}
	number, numeric := parseID(name)
	i := slices.IndexFunc(passwd, func(e passwdEntry) bool { return e.name == name })
	if i < 0 && numeric {
		i = slices.IndexFunc(passwd, func(e passwdEntry) bool { return e.uid == number })
	}
	var login string
	switch {
	case i >= 0:
		e := passwd[i]
		u.uid, u.gid, u.home, login = e.uid, e.gid, e.home, e.name
	case numeric:
		u.uid = number
	default:
		return u, fmt.Errorf("unable to find user %s: no matching entries in passwd file", name)
	}

	if !hasGroup || groupName == "" {
		u.groups = []uint32{u.gid}
		for _, g := range group {
			if login != "" && slices.Contains(g.members, login) && !slices.Contains(u.groups, g.gid) {
				u.groups = append(u.groups, g.gid)
			}
		}
		return u, nil
	}
	number, numeric = parseID(groupName)
	i = slices.IndexFunc(group, func(e groupEntry) bool { return e.name == groupName })
	switch {
	case i >= 0:
		u.gid = group[i].gid
	case numeric:
		u.gid = number
	default:
		return u, fmt.Errorf("unable to find group %s: no matching entries in group file", groupName)
	}
	u.groups = []uint32{u.gid}
	return u, nil
}

// parseID reads a user or group id. The kernel keeps the largest for "none".
func parseID(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	return uint32(n), err == nil
}

func parsePasswd(fields []string) (passwdEntry, bool) {
	if len(fields) < 6 {
		return passwdEntry{}, false
	}
	uid, ok1 := parseID(fields[2])
	gid, ok2 := parseID(fields[3])
	return passwdEntry{name: fields[0], uid: uid, gid: gid, home: fields[5]}, ok1 && ok2
}

func parseGroup(fields []string) (groupEntry, bool) {
	if len(fields) < 4 {
		return groupEntry{}, false
	}
	gid, ok := parseID(fields[2])
	return groupEntry{name: fields[0], gid: gid, members: strings.Split(fields[3], ",")}, ok
}

// readEntries reads a file of lines with colons; a file that is not there is
// empty, and lines that make no sense are passed over, as login(1) does.
func readEntries[T any](root layers.Stack, name string, parse func([]string) (T, bool)) ([]T, error) {
	f, err := root.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up users: %w", err)
	}
	defer f.Close()
	return scanEntries(f, parse)
}

func scanEntries[T any](r io.Reader, parse func([]string) (T, bool)) ([]T, error) {
	var entries []T
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if e, ok := parse(strings.Split(strings.TrimSpace(lines.Text()), ":")); ok {
			entries = append(entries, e)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("look up users: %w", err)
	}
	return entries, nil
}
