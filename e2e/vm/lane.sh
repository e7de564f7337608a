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
for package in $("$go" list -f '{{if .TestGoFiles}}{{.ImportPath}}{{else if .XTestGoFiles}}{{.ImportPath}}{{end}}' \
	$packages); do
	echo "compile $package"
	CGO_ENABLED=0 "$go" test -c -o "$tests/$(echo "${package#gocker/}" | tr / -).test" "$package"
done

# These ask nothing of cgroups, and take minutes on an emulated CPU.
slow='TestManyForksLeaveNothing|TestForksAmongBusyGoroutinesAndCollections|TestAVerbDoesWhatItsPrintedLineDoes'

cat >"$tests/run" <<'END'
status=0
for test in "$1"/*.test; do
	package=$(basename "$test" .test | tr - /)
	args="-test.v -test.timeout=3m -test.skip=^($SLOW)$"
	if [ "$package" = e2e ]; then
		args="-test.timeout=10m"
		[ -z "$RUN" ] || args="$args -test.run=/.*$RUN"
	fi
	# shellcheck disable=SC2086 # a list of flags
	begin=$(date +%s)
	if (cd "$package" && "$test" $args) >"$TMPDIR/log" 2>&1; then
		grep -A 1 -e '--- SKIP' "$TMPDIR/log" || :
		echo "ok  	gocker/$package	$(($(date +%s) - begin))s (vm)"
	else
		status=1
		grep -v -e '^=== ' -e '^ *--- PASS' "$TMPDIR/log"
		echo "FAIL	gocker/$package	$(($(date +%s) - begin))s (vm)"
	fi
done
echo "--- SKIP in the vm, because they are slow and run on the host: $SLOW"
exit $status
END

VM_TIMEOUT=${VM_TIMEOUT:-900} "$here/run.sh" -o "$results" env E2E_LANE=vm E2E_RESULTS=/dev/ttyS2 \
	E2E_CACHE="${E2E_CACHE:-/var/cache/gocker-e2e}" GOCKER="$gocker" RUN="${RUN:-}" SLOW="$slow" \
	sh "$tests/run" "$tests"
