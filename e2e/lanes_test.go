package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// results is what became of each script in this lane.
type results struct {
	mu    sync.Mutex
	lines []string
}

func (r *results) add(lane, script, outcome, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf("%s\t%s\t%s\t%s\n", lane, script, outcome, reason))
}

// write saves the table that lanes.sh merges: lane, script, "ran" or "skipped",
// reason, with tabs between them. It does nothing when path is empty.
func (r *results) write(path string) error {
	if path == "" {
		return nil
	}
	slices.Sort(r.lines)
	return os.WriteFile(path, []byte(strings.Join(r.lines, "")), 0o644)
}

// recorder is the testing.T of a script: it notes whether the script ran, and
// looks for leaks once the script is over.
type recorder struct {
	*testing.T
	suite *suite
	home  string // the parent of the script's roots
}

// Run starts one script.
func (r *recorder) Run(name string, f func(testscript.T)) {
	r.T.Run(name, func(t *testing.T) {
		script := &recorder{T: t, suite: r.suite, home: r.suite.newHome()}
		made, err := watchBirths(script.home)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			for _, leak := range leaks(script.home, made.ids()) {
				t.Errorf("leak: %s", leak)
			}
			if err := clean(r.suite.gocker, script.home); err != nil {
				t.Error(err)
			}
			if !t.Skipped() {
				r.suite.results.add(r.suite.lane, name, "ran", "")
			}
		})
		f(script)
	})
}

// Skip notes the reason. testscript gives it the text of the skip command.
func (r *recorder) Skip(args ...any) {
	r.suite.results.add(r.suite.lane, strings.TrimPrefix(r.Name(), "TestScripts/"), "skipped", fmt.Sprint(args...))
	r.T.Skip(args...)
}

// Verbose tells testscript whether to log scripts that pass.
func (r *recorder) Verbose() bool { return testing.Verbose() }
