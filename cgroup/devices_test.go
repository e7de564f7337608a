package cgroup

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"golang.org/x/sys/unix"
)

func TestDeviceRulesFoldIntoAFilter(t *testing.T) {
	for _, c := range []struct {
		rules string // as DeviceFilter takes them, with commas between
		want  string // likewise, or an error
	}{
		{"", ""},
		{"a", "a"},
		{"!a,c 1:3 rwm", "c 1:3 rwm"},
		{"c 1:3 r,c 1:3 w", "c 1:3 rw"},
		{"c 1:3 rwm,c 1:5 rwm", "c 1:3 rwm,c 1:5 rwm"},
		{"c 1:3 rw,!c 1:3 w", "c 1:3 r"},
		{"c 1:3 rw,c 1:5 r,!c 1:* rw", ""},
		{"c *:* m,!c 1:3 m", "error: c 1:3 m takes back a part of c *:* m"},
		{"c *:* m,!c 1:3 r", "c *:* m"},
		{"c 1:3 rwm,a", "a"},
		{"a,!b 8:* w", "a,!b 8:* w"},
		{"a,!b 8:* rw,b 8:* r", "a,!b 8:* w"},
		{"a,!b 8:* rw,b 8:1 r", "error: b 8:1 r takes back a part of b 8:* rw"},
		{"a 1:3 r", "b 1:3 r,c 1:3 r"},
		{"u 1:3 r", "c 1:3 r"},
		{"p 1:3 r", `error: type "p" is none of a, b, c`},
		{"c 1:3 x", `error: access "x" has letters other than r, w, m`},
		{"c 4096:3 r", "error: major: 4096 is not below 4096"},
		{"c 1:1048576 r", "error: minor: 1048576 is not below 1048576"},
	} {
		f := deviceFilter{}
		var failed error
		for text := range strings.SplitSeq(c.rules, ",") {
			if text == "" {
				continue
			}
			r, err := parseRule(text)
			if err != nil {
				t.Fatal(err)
			}
			if failed = f.add(r); failed != nil {
				break
			}
		}
		if want, isError := strings.CutPrefix(c.want, "error: "); isError {
			if failed == nil || !strings.HasPrefix(failed.Error(), want) {
				t.Errorf("%s: got error %v, want %s", c.rules, failed, want)
			}
		} else if got := strings.Join(f.rules(), ","); failed != nil || got != c.want {
			t.Errorf("%s: got %s and error %v, want %s", c.rules, got, failed, c.want)
		}
	}
}

func TestDeviceRuleOfOtherFormIsRefused(t *testing.T) {
	for _, text := range []string{"", "c", "c 1:3", "c 1 rwm", "c 1:x r", "c -1:3 r", "c 1:3 r w"} {
		if _, err := parseRule(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	if _, err := newDeviceFilter([]specs.LinuxDeviceCgroup{{Allow: true, Type: "c"}}); err == nil {
		t.Error("a rule without access was accepted")
	}
}

// TestProgramAnswersAsTheFilterDoes runs the programs of random filters in an
// interpreter, and gives each to the kernel's verifier where that is allowed.
func TestProgramAnswersAsTheFilterDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	number := func() int64 { return []int64{anyNumber, 0, 1, 4095}[r.IntN(4)] }
	answers := map[bool]int{}
	for range 300 {
		f := deviceFilter{allow: r.IntN(2) == 0}
		for range r.IntN(5) {
			f.merge(device{"bc"[r.IntN(2)], number(), number(), access(1 + r.IntN(7))})
		}
		program := deviceProgram(f)
		for range 50 {
			q := device{"bc"[r.IntN(2)], r.Int64N(3), r.Int64N(3), access(1 + r.IntN(7))}
			got := interpret(t, program, q)
			if got != f.permits(q) {
				t.Fatalf("filter %q, request %v: the program says %v", f.rules(), q, got)
			}
			answers[got]++
		}
		fd, err := loadDeviceProgram(program)
		if err == nil {
			err = unix.Close(fd)
		}
		if err != nil && !strings.Contains(err.Error(), "not permitted") {
			t.Fatalf("filter %q: %v", f.rules(), err)
		}
	}
	if answers[true] < 1000 || answers[false] < 1000 {
		t.Errorf("the requests have nearly all one answer: %v", answers)
	}
}

func TestFilterPermitsWhatOneExceptionCovers(t *testing.T) {
	null := device{'c', 1, 3, accessRead | accessWrite}
	for _, c := range []struct {
		rules string
		want  bool
	}{
		{"c 1:3 rw", true},
		{"c 1:* rwm", true},
		{"c *:* rw", true},
		{"c 1:3 r", false},
		{"c 1:* r,c *:3 w", false}, // no exception has both, as in version 1
		{"b 1:3 rwm", false},
		{"a", true},
		{"a,!c 1:3 m", true},
		{"a,!c 1:3 w", false},
	} {
		f := deviceFilter{}
		for text := range strings.SplitSeq(c.rules, ",") {
			r, err := parseRule(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.add(r); err != nil {
				t.Fatal(err)
			}
		}
		if got := f.permits(null); got != c.want {
			t.Errorf("%s: got %v", c.rules, got)
		}
	}
}

// interpret runs the few instructions that deviceProgram makes.
func interpret(t *testing.T, p []instruction, q device) bool {
	t.Helper()
	kind := uint64(unix.BPF_DEVCG_DEV_CHAR)
	if q.kind == 'b' {
		kind = unix.BPF_DEVCG_DEV_BLOCK
	}
	context := map[int16]uint64{0: uint64(q.access)<<16 | kind, 4: uint64(q.major), 8: uint64(q.minor)}
	var reg [11]uint64
	for i := 0; i < len(p); i++ {
		in := p[i]
		dst, src, imm := in.reg&0xf, in.reg>>4, uint64(int64(in.imm))
		switch in.op {
		case opLoad32:
			reg[dst] = context[in.off]
		case opMove:
			reg[dst] = imm
		case opMoveReg:
			reg[dst] = reg[src]
		case opAnd:
			reg[dst] &= imm
		case opShift:
			reg[dst] >>= imm
		case opIfEqual, opIfOther:
			if (reg[dst] == imm) == (in.op == opIfEqual) {
				i += int(in.off)
			}
		case opExit:
			return reg[regResult] == 1
		default:
			t.Fatalf("instruction %d has an unknown opcode %#x", i, in.op)
		}
	}
	t.Fatalf("the program runs past its end: %v", slices.Clone(p))
	return false
}
