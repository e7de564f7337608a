package container

import (
	"reflect"
	"strings"
	"testing"
)

const (
	passwdFile = `# who is who
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
app:x:1234:1235:app:/home/app:/bin/sh
twin:x:1234:1300:the same number:/home/twin:/bin/sh
bare:x:7:8:
 spaced:x:9:9::/spaced:/bin/sh
broken:x:many:1::/:
`
	groupFile = `root:x:0:
daemon:x:1:app
app:x:1235:
extra:x:1300:root,app
1400:x:1500:
again:x:1300:app
own:x:1235:app
short:x:9
`
)

func TestAUserIsFoundAsDockerFindsIt(t *testing.T) {
	passwd, err := scanEntries(strings.NewReader(passwdFile), parsePasswd)
	if err != nil {
		t.Fatal(err)
	}
	group, err := scanEntries(strings.NewReader(groupFile), parseGroup)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		spec string
		want user
		err  string
	}{
		{spec: "", want: user{0, 0, []uint32{0, 1300}, "/root"}},
		{spec: "root", want: user{0, 0, []uint32{0, 1300}, "/root"}},
		{spec: "0", want: user{0, 0, []uint32{0, 1300}, "/root"}},
		{spec: "app", want: user{1234, 1235, []uint32{1235, 1, 1300}, "/home/app"}},
		{spec: "1234", want: user{1234, 1235, []uint32{1235, 1, 1300}, "/home/app"}}, // the first with the number
		{spec: "twin", want: user{1234, 1300, []uint32{1300}, "/home/twin"}},
		{spec: "app:", want: user{1234, 1235, []uint32{1235, 1, 1300}, "/home/app"}},
		// With a group said, it is the only one.
		{spec: "app:extra", want: user{1234, 1300, []uint32{1300}, "/home/app"}},
		{spec: "app:1", want: user{1234, 1, []uint32{1}, "/home/app"}},
		{spec: "app:4321", want: user{1234, 4321, []uint32{4321}, "/home/app"}},
		{spec: "1234:4321", want: user{1234, 4321, []uint32{4321}, "/home/app"}},
		{spec: ":extra", want: user{0, 1300, []uint32{1300}, "/root"}},
		{spec: "app:1400", want: user{1234, 1500, []uint32{1500}, "/home/app"}}, // a name of digits
		// A number needs no entry.
		{spec: "4000", want: user{4000, 0, []uint32{0}, "/"}},
		{spec: "4000:4001", want: user{4000, 4001, []uint32{4001}, "/"}},
		{spec: "2147483647", want: user{1<<31 - 1, 0, []uint32{0}, "/"}},
		// A line with white space before it, as an editor leaves it.
		{spec: "spaced", want: user{9, 9, []uint32{9}, "/spaced"}},

		{spec: "nobody", err: "unable to find user nobody: no matching entries in passwd file"},
		{spec: "app:nogroup", err: "unable to find group nogroup: no matching entries in group file"},
		{spec: "broken", err: "unable to find user broken"},
		{spec: "bare", err: "unable to find user bare"}, // its line is too short
		{spec: "app:short", err: "unable to find group short"},
		{spec: "-1", err: "unable to find user -1"},
		{spec: "4294967295", err: "unable to find user 4294967295"},
		{spec: "app:2147483648", err: "unable to find group 2147483648"},
		{spec: "Root", err: "unable to find user Root"},
	} {
		got, err := resolveUser(c.spec, passwd, group)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: error %v, want %q", c.spec, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.spec, err)
		} else if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q is %+v, want %+v", c.spec, got, c.want)
		}
	}
}

func TestWithoutPasswdThereIsRootAndThereAreNumbers(t *testing.T) {
	for spec, want := range map[string]uint32{"": 0, "0": 0, "1000": 1000} {
		got, err := resolveUser(spec, nil, nil)
		if err != nil || got.uid != want || got.gid != 0 || got.home != "/" {
			t.Errorf("%q is %+v, %v; want uid %d, gid 0, home /", spec, got, err, want)
		}
	}
	if _, err := resolveUser("root", nil, nil); err == nil {
		t.Error("root by name: want an error, as docker has it")
	}
}
