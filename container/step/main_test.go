package step_test

import (
	"os"
	"testing"
)

// TestMain makes the test binary what a test executes it as: a helper in fresh
// namespaces does one case of a table and ends.
func TestMain(m *testing.M) {
	if name, ok := os.LookupEnv(caseVariable); ok {
		way := os.Getenv(wayVariable)
		if way == byTrouble {
			os.Exit(runTrouble(name))
		}
		os.Exit(runCase(name, way))
	}
	os.Exit(m.Run())
}
