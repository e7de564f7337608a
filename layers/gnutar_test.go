package layers_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// GNU tar is the oracle: what it extracts of a tar, this package must too.
func TestALayerIsWhatGNUTarExtracts(t *testing.T) {
	needRoot(t)
	tree := t.TempDir()
	growTree(t, tree)
	pack := func(args ...string) []byte {
		return run(t, append([]string{"tar", "-C", tree, "--sort=name", "-cf", "-"}, append(args, ".")...)...)
	}
	for _, test := range []struct {
		name string
		tar  []byte
	}{
		{"PAX with attributes", pack("--format=posix", "--xattrs", "--xattrs-include=*")},
		{"PAX sparse 0.0", pack("--format=posix", "--sparse", "--sparse-version=0.0")},
		{"PAX sparse 0.1", pack("--format=posix", "--sparse", "--sparse-version=0.1")},
		{"PAX sparse 1.0", pack("--format=posix", "--sparse", "--sparse-version=1.0")},
		{"GNU", pack("--format=gnu")},
		{"GNU sparse", pack("--format=gnu", "--sparse")},
		{"in no order", pack("--format=posix", "--sort=none")},
		{"without directories", pack("--format=posix", "--no-recursion", "-C", tree+"/d", "file", "links/a", "links/b")},
		{"a script", tarOf(t, "dir a mode=0750\nfile a/f x mtime=3.25\nfile a/f y\nlink b a/f\nsym c b\nfile c z\ndir a mode=0700 mtime=9.5")},
	} {
		t.Run(test.name, func(t *testing.T) {
			oracle := t.TempDir()
			cmd := exec.Command("tar", "-C", oracle, "--numeric-owner", "--same-owner", "--delay-directory-restore", "--xattrs", "--xattrs-include=*", "-xpf", "-")
			cmd.Stdin = bytes.NewReader(test.tar)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			s := openStore(t)
			staged, err := s.Stage(context.Background(), bytes.NewReader(test.tar))
			if err != nil {
				t.Fatal(err)
			}
			if err := staged.Commit(chainID(0), nil); err != nil {
				t.Fatal(err)
			}
			// Without an entry of its own, the root has the time of its making.
			times := !strings.Contains(test.name, "script") && !strings.Contains(test.name, "without")
			got, want := scriptOf(t, s.Path(chainID(0)), times), scriptOf(t, oracle, times)
			if got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			if strings.Contains(test.name, "sparse") {
				var st unix.Stat_t
				if err := unix.Stat(filepath.Join(s.Path(chainID(0)), "d/sparse"), &st); err != nil || st.Blocks > 200 {
					t.Errorf("the sparse file takes %d blocks, %v", st.Blocks, err)
				}
			}
		})
	}
}

// growTree makes files of every kind.
func growTree(t *testing.T, tree string) {
	t.Helper()
	run(t, "sh", "-ec", `
		cd "$1"
		mkdir d d/links d/empty d/sticky d/setgid
		echo text >d/file
		: >d/nothing
		head -c 300000 /dev/urandom >d/large
		truncate -s 20M d/sparse
		printf middle | dd of=d/sparse bs=1 seek=5000000 conv=notrunc status=none
		printf end | dd of=d/sparse bs=1 seek=20971517 conv=notrunc status=none
		truncate -s 3M d/hole
		echo a >d/links/a
		ln d/links/a d/links/b
		ln d/links/a d/zlink
		ln -s /etc/passwd d/links/abs
		ln -s ../../../../x d/links/up
		ln -s "$(printf %0200d 0)" d/links/long
		mkfifo d/fifo
		mknod d/char c 1 3
		mknod d/block b 259 70000
		cp d/file d/setuid
		chown 1000:1001 d/file d/setuid d/links
		chown -h 5:6 d/links/abs
		chown 4294967294:4294967294 d/char
		chmod 4755 d/setuid
		chmod 0 d/nothing
		chmod 1777 d/sticky
		chmod 2770 d/setgid
		long=d/$(printf %0250d 1)
		mkdir -p "$long/$long"
		echo long >"$long/$long/$(printf %0255d 2)"
		printf x >"d/$(printf 'odd\nname\t\\ \377\360\237\220\213')"
		setfattr -n trusted.note -v x d/empty
		setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 d/file
		touch -d @1.987654321 d/file
		touch -h -d @-5.5 d/links/abs
		touch -d @4000000000.25 d/large
		touch -d @1000.000000001 d/links d/sticky d .
	`, "sh", tree)
	// Many more, at random.
	r := rand.New(rand.NewPCG(1, 2))
	dirs := []string{filepath.Join(tree, "d")}
	for i := range 300 {
		path := filepath.Join(dirs[r.IntN(len(dirs))], fmt.Sprintf("n%d", i))
		var err error
		if r.IntN(4) == 0 {
			dirs = append(dirs, path)
			err = os.Mkdir(path, 0o700|os.FileMode(r.IntN(0o100)))
		} else {
			err = os.WriteFile(path, bytes.Repeat([]byte{byte(i)}, r.IntN(10000)), os.FileMode(r.IntN(0o1000)))
		}
		if err == nil {
			err = os.Lchown(path, r.IntN(100000), r.IntN(100000))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func run(t testing.TB, args ...string) []byte {
	t.Helper()
	var out, msg bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v: %s", args, err, msg.String())
	}
	return out.Bytes()
}
