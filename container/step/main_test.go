package step_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain makes the test binary what a test executes it as: a helper in fresh
// namespaces does one case of a table and ends.
func TestMain(m *testing.M) {
	// What the tests were started with is not for the processes that they start.
	if err := unix.CloseRange(3, 1<<31, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		panic(err)
	}
	if name, ok := os.LookupEnv(caseVariable); ok {
		way := os.Getenv(wayVariable)
		if way == byTrouble {
			os.Exit(runTrouble(name))
		}
		os.Exit(runCase(name, way))
	}
	os.Exit(m.Run())
}
