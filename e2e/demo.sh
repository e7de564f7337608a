#!/bin/sh
# The main job, as a tutorial shows it: demo.sh GOCKER
# Pulls an image, runs a command in it with a memory limit, lists the container
# and removes it. The image comes from a registry that is started here, on
# loopback, or from Docker Hub when IMAGE names one (IMAGE=alpine). What it
# makes lies in a directory of its own, which is gone afterwards.
set -eu

gocker=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)

[ "$(id -u)" = 0 ] || {
	echo "demo: containers need root (sudo make demo)" >&2
	exit 1
}

work=$(mktemp -d /var/tmp/gocker-demo.XXXXXX)
registry=

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	status=$?
	trap '' INT TERM
	containers=$("$gocker" ps -aq 2>/dev/null) || :
	# shellcheck disable=SC2086 # a list of words
	[ -z "$containers" ] || "$gocker" rm -f $containers >/dev/null || :
	[ -z "$registry" ] || kill "$registry" 2>/dev/null || :
	rm -rf "$work"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start_registry sets address once the registry listens on a port that the
# kernel has chosen.
start_registry() {
	cat >"$work/registry.yml" <<-END
		version: 0.1
		storage: {filesystem: {rootdirectory: $work/registry}}
		http: {addr: "127.0.0.1:0", secret: demo}
	END
	docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
	registry=$!
	tries=0
	until address=$(sed -n 's/.*listening on \(127\.0\.0\.1:[0-9]*\).*/\1/p' "$work/registry.log") &&
		[ -n "$address" ]; do
		tries=$((tries + 1))
		if [ "$tries" -ge 100 ] || ! kill -0 "$registry" 2>/dev/null; then
			cat "$work/registry.log" >&2
			echo "demo: the registry did not start" >&2
			exit 1
		fi
		sleep 0.1
	done
}

say() { printf '\n# %s\n' "$*"; }

# show prints a command as one would type it, then runs it.
show() {
	printf '$ gocker'
	for word; do
		case $word in
		*[!A-Za-z0-9_./:=@-]*) printf " '%s'" "$word" ;;
		*) printf ' %s' "$word" ;;
		esac
	done
	echo
	"$gocker" "$@"
}

export GOCKER_ROOT="$work/root" GOCKER_RUN_ROOT="$work/run"

image=${IMAGE:-}
if [ -z "$image" ]; then
	say "A registry on loopback, with an image of this machine's busybox in it."
	start_registry
	image=$address/busybox
	(cd "$here/.." && "${GO:-go}" run ./e2e/push busybox "$image")
fi

say "Pull: verified, unpacked once, kept as an OCI image layout."
show pull "$image"
show images

say "Run a command in it, with at most 64 MB of memory."
# shellcheck disable=SC2016 # expanded in the container
show run --name demo -m 64m "$image" sh -c '
  echo "I am process $$ of this pid namespace, on $(hostname), limited to" \
    $(cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null) bytes.'

say "It has ended; its record is still there."
show ps -a

say "Remove it."
show rm demo
show ps -a
