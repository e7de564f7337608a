#!/bin/sh
# The vm lane: lane.sh GOCKER RESULTS
# The tests that talk to the kernel and the scripts are compiled here and run in
# the virtual machine of run.sh, where there is nothing but cgroup v2. RESULTS
# gets a line for each script (see lanes.sh). Fails when a test fails or the
# machine doesn't say that all of them passed.
set -eu

go=${GO:-go}
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
gocker=$(realpath "$1")
results=$(realpath -m "$2")
tests=$(mktemp -d "$PWD/bin/vm.XXXXXX")
trap 'rm -rf "$tests"' EXIT
trap 'exit 1' INT TERM

# Only what talks to the kernel: the rest is the same on any of them.
# VM_PACKAGES takes the place of the list; with RUN, only scripts are asked for.
packages=${VM_PACKAGES:-./cgroup ./container/... ./network ./e2e}
[ -z "${RUN:-}" ] || packages=./e2e
# shellcheck disable=SC2086 # a list of words
"$go" list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' $packages |
	sed '/^$/d' >"$tests/imports"
sed 's/^/compile /' "$tests/imports"
# shellcheck disable=SC2046 # a list of words
CGO_ENABLED=0 "$go" test -c -o "$tests/" $(cat "$tests/imports")
sed 's|^gocker/||' "$tests/imports" >"$tests/packages"

CGO_ENABLED=0 "$go" build -trimpath -ldflags '-s -w' -o "$tests/probe" ./e2e/probe

# These ask nothing of cgroups, and take minutes on an emulated CPU: of the forks
# and the steps, of a log and who reads it, and of the files of a volume.
slow='TestManyForksLeaveNothing|TestForksAmongBusyGoroutinesAndCollections|TestAVerbDoesWhatItsPrintedLineDoes'
slow="$slow|TestAFollowerSeesEveryLineUntilTheContainerEnds|TestTheTailOfLongLines|TestAFileIsReplacedWhole"
slow="$slow|TestStreamsThatWriteAtOnceAreWholeInTheLog|TestANewVolumeHasWhatTheImageHasThere"

# The tests have half a minute less than the machine: it would only say that it
# was ended, they say where they were.
limit=${VM_TIMEOUT:-2400}
VM_TIMEOUT=$limit VM_STALL=${VM_STALL:-360} "$here/run.sh" -o "$results" env E2E_LANE=vm E2E_RESULTS=/dev/ttyS2 \
	E2E_CACHE="${E2E_CACHE:-/var/cache/gocker-e2e}" GOCKER="$gocker" PROBE="$tests/probe" RUN="${RUN:-}" SLOW="$slow" \
	"$here/tests.sh" "$tests" $((limit - 30))
