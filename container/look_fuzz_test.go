package container

import (
	"strings"
	"testing"
)

// What /proc says of a container is in part what the container chose: names,
// arguments and mount points of any bytes. Nothing of it stops the reader, and
// nothing is lost of what is not escaped.

func FuzzMountinfo(f *testing.F) {
	f.Add("36 35 0:30 / / rw,relatime - overlay overlay rw,lowerdir=a:b,upperdir=/u,workdir=/w\n")
	f.Add(`36 35 0:30 /a\040b /c\012d rw shared:1 - ext4 /dev/x rw` + "\n")
	f.Add(`1 2 3:4 / / ro - overlay o ro,lowerdir=\134:a\072b:c\054d,lowerdir+=/e` + "\n")
	f.Add("1 2 3:4 / / ro - overlay o lowerdir=\\")
	f.Fuzz(func(t *testing.T, text string) {
		mounts, err := parseMountinfo(strings.NewReader(text))
		if err != nil {
			return
		}
		if lines := strings.Count(strings.TrimSuffix(text, "\n")+"\n", "\n"); text != "" && len(mounts) != lines {
			t.Errorf("%d mounts of %d lines", len(mounts), lines)
		}
		for _, m := range mounts {
			for _, l := range rootOf(m, "/store").Layers {
				if !l.Writable && !strings.HasPrefix(l.Dir, "/") {
					t.Errorf("layer %q is nowhere", l.Dir)
				}
			}
		}
	})
}

func FuzzStatus(f *testing.F) {
	f.Add("Name:\ta\nState:\tS (sleeping)\nUid:\t1\t2\t3\t4\nNSpid:\t5\t1\nCapEff:\t00000000a80425fb\nGroups:\t \n")
	f.Add("Name:\t\nState:\t\nUid:\n")
	f.Add(":\n\n\t\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseStatus(strings.NewReader(text))
		if err != nil {
			return
		}
		s.privileges()
		s.ownPid()
	})
}

func FuzzCmdline(f *testing.F) {
	f.Add("sh\x00-c\x00\x00")
	f.Add("no end")
	f.Add("\x00")
	f.Fuzz(func(t *testing.T, text string) {
		got := strings.Join(parseCmdline([]byte(text)), "\x00")
		if want := strings.TrimSuffix(text, "\x00"); got != want {
			t.Errorf("%q became %q", want, got)
		}
	})
}

func FuzzLinkKind(f *testing.F) {
	f.Add([]byte{9, 0, 1, 0, 'v', 'e', 't', 'h', 0, 0, 0, 0})
	f.Add([]byte{5, 0, 9, 0, 1})
	f.Fuzz(func(_ *testing.T, b []byte) { linkKind(b) })
}
