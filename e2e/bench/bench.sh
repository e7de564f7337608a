#!/bin/sh
# Measure gocker beside its peers: bench.sh GOCKER
# Prints a table of ratios, in markdown, with the limits that the project set
# itself. Everything lies on an ext4 made for the purpose: an old one is slower,
# because it walks the inodes that removals freed. What runs at the same time
# distorts all of it; the ratios suffer less than the times, because the rivals
# are measured in one call of hyperfine.
#
#	RUNS  runs of each command, 60 unless given
#	ONLY  start, throughput, exec, background, list, memory, version, explain or
#	      size, to measure one thing
set -eu

gocker=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
runs=${RUNS:-60}

[ "$(id -u)" = 0 ] || {
	echo "bench: containers need root" >&2
	exit 1
}

work=$(mktemp -d /var/tmp/gocker-bench.XXXXXX)
registry='' dockerd='' sleeper='' with_docker=''

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	status=$?
	trap '' INT TERM
	containers=$("$gocker" ps -aq 2>/dev/null) || :
	# shellcheck disable=SC2086 # a list of words
	[ -z "$containers" ] || "$gocker" rm -f $containers >/dev/null || :
	[ ! -d "$work/run/runc" ] || runc --root "$work/run/runc" delete -f target >/dev/null 2>&1 || :
	for pid in $registry $dockerd $sleeper; do
		kill "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
	umount "$work/run" 2>/dev/null || :
	umount "$work/fs" 2>/dev/null || umount -l "$work/fs" 2>/dev/null || :
	rm -rf "$work"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# until_true CONDITION... waits for it, 20 seconds at most.
until_true() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 200 ] || return 1
		sleep 0.1
	done
}

wanted() { [ -z "${ONLY:-}" ] || [ "$ONLY" = "$1" ]; }

note() { echo "bench: $*" >&2; }

# median FILE N prints the median of the nth command of a hyperfine export, in
# milliseconds.
median() { jq -r ".results[$2].median * 1000" "$1"; }

# row WHAT OURS THEIRS RATIO LIMIT; a ratio is met when it is at most the limit,
# or at least, where the limit begins with ">=".
row() {
	case $5 in
	">="*) verdict=$(awk "BEGIN { print ($4 >= ${5#>=}) ? \"yes\" : \"no\" }") ;;
	"<="*) verdict=$(awk "BEGIN { print ($4 <= ${5#<=}) ? \"yes\" : \"no\" }") ;;
	*) verdict= ;;
	esac
	printf '| %s | %s | %s | %s | %s | %s |\n' "$1" "$2" "$3" "$4" "$5" "$verdict" >>"$work/table"
}

left_out() { echo "Left out: $*" >>"$work/left-out"; }

ratio() { awk "BEGIN { printf \"%.2f\", $1 / $2 }"; }
ms() { awk "BEGIN { printf \"%.1f ms\", $1 }"; }

make_filesystem() {
	truncate -s 8G "$work/ext4"
	mkfs.ext4 -q -F "$work/ext4"
	mkdir "$work/fs" "$work/run"
	mount -o loop "$work/ext4" "$work/fs"
	mount -t tmpfs tmpfs "$work/run"
	export GOCKER_ROOT="$work/fs/gocker" GOCKER_RUN_ROOT="$work/run/gocker"
}

listening() { address=$(sed -n 's/.*listening on \(127\.0\.0\.1:[0-9]*\).*/\1/p' "$work/registry.log") && [ -n "$address" ]; }

start_registry() {
	cat >"$work/registry.yml" <<-END
		version: 0.1
		storage: {filesystem: {rootdirectory: $work/fs/registry}}
		http: {addr: "127.0.0.1:0", secret: bench}
	END
	docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
	registry=$!
	until_true listening || {
		cat "$work/registry.log" >&2
		exit 1
	}
	image=$address/busybox
	(cd "$here/../.." && "${GO:-go}" run ./e2e/push busybox "$image")
}

# make_bundle is what runc gets: the same files, ready in a plain directory. It
# mounts no overlay and keeps no record and no log.
make_bundle() {
	bundle=$work/fs/bundle
	mkdir -p "$bundle/rootfs/bin" "$bundle/rootfs/proc" "$bundle/rootfs/sys" "$bundle/rootfs/dev"
	cp "$(command -v busybox)" "$bundle/rootfs/bin/busybox"
	busybox --list | while read -r applet; do
		[ "$applet" = busybox ] || ln "$bundle/rootfs/bin/busybox" "$bundle/rootfs/bin/$applet"
	done
	(cd "$bundle" && runc spec)
	jq '.process.args = ["true"] | .process.terminal = false' "$bundle/config.json" >"$bundle/new"
	mv "$bundle/new" "$bundle/config.json"
	runc --root "$work/run/runc" run -b "$bundle" probe </dev/null
}

docker="docker -H unix://$work/run/docker.sock"

docker_() { docker -H "unix://$work/run/docker.sock" "$@"; }

# start_docker fails when this machine can't have a docker engine.
start_docker() {
	[ -z "$with_docker" ] || [ "$with_docker" = yes ] || return 1
	[ -z "$with_docker" ] || return 0
	with_docker=no
	if command -v dockerd >/dev/null; then
		dockerd --data-root "$work/fs/docker" --exec-root "$work/run/docker" \
			--pidfile "$work/run/docker.pid" -H "unix://$work/run/docker.sock" \
			--bridge=none --iptables=false --ip6tables=false >"$work/dockerd.log" 2>&1 </dev/null &
		dockerd=$!
		if until_true docker_ version &&
			docker_ pull -q "$image" >/dev/null &&
			docker_ run --rm --network none "$image" true >/dev/null; then
			with_docker=yes
			return
		fi
		tail -n 3 "$work/dockerd.log" >&2 || :
	fi
	left_out "docker, because no engine could be started on this machine."
	return 1
}

# compare NAME COMMAND... measures the commands in one call.
compare() {
	name=$1
	shift
	note "$name: $*"
	hyperfine -N --warmup 5 --runs "$runs" --export-json "$work/$name.json" "$@" >&2
}

measure_start() {
	set -- "$gocker run --rm --network none $image true" \
		"runc --root $work/run/runc run -b $bundle bench"
	if start_docker; then
		set -- "$@" "$docker run --rm --network none $image true"
	fi
	compare start "$@"
	ours=$(median "$work/start.json" 0) theirs=$(median "$work/start.json" 1)
	row "\`run --rm --network none IMAGE true\` beside \`runc run\` of a bare bundle" \
		"$(ms "$ours")" "$(ms "$theirs")" "$(ratio "$ours" "$theirs")" "<=0.5"
	if [ "$with_docker" = yes ]; then
		theirs=$(median "$work/start.json" 2)
		row "the same beside \`docker run\`" \
			"$(ms "$ours")" "$(ms "$theirs")" "$(ratio "$ours" "$theirs")" "<=0.08"
	fi
}

# measure_bridge has a network namespace of its own for the bridge.
measure_bridge() {
	cat >"$work/bridge.sh" <<-END
		set -eu
		ip link set lo up
		hyperfine -N --warmup 5 --runs $runs --export-json "$work/bridge.json" \
			"$gocker run --rm --pull never $image true" \
			"$gocker run --rm --pull never --network none $image true" >&2
		"$gocker" ps -q
	END
	unshare --net sh "$work/bridge.sh"
	with=$(median "$work/bridge.json" 0) without=$(median "$work/bridge.json" 1)
	added=$(awk "BEGIN { printf \"%.1f\", $with - $without }")
	row "what the bridge adds to \`run --rm --network none IMAGE true\` (ms)" "$(ms "$with")" "$(ms "$without")" "$added" "<=5"
}

measure_throughput() {
	count=100
	cat >"$work/ours" <<-END
		seq $count | xargs -P4 -I{} $gocker run --rm --network none $image true
	END
	cat >"$work/theirs" <<-END
		seq $count | xargs -P4 -I{} runc --root $work/run/runc run -b $bundle bench-{}
	END
	note "throughput, $count runs, 4 at a time"
	hyperfine -N --warmup 1 --runs 5 --export-json "$work/throughput.json" \
		"sh $work/ours" "sh $work/theirs" >&2
	ours=$(awk "BEGIN { print $count * 1000 / $(median "$work/throughput.json" 0) }")
	theirs=$(awk "BEGIN { print $count * 1000 / $(median "$work/throughput.json" 1) }")
	row "runs a second, 4 at a time, beside runc" \
		"$(awk "BEGIN { printf \"%.0f/s\", $ours }")" "$(awk "BEGIN { printf \"%.0f/s\", $theirs }")" \
		"$(ratio "$ours" "$theirs")" ">=3"
}

# measure_exec starts one process in a container that runs.
measure_exec() {
	mkdir "$work/sleeping"
	jq --arg root "$bundle/rootfs" '.root.path = $root | .process.args = ["sleep", "1000"]' \
		"$bundle/config.json" >"$work/sleeping/config.json"
	runc --root "$work/run/runc" run -d -b "$work/sleeping" target </dev/null >/dev/null 2>&1
	"$gocker" run -d --name target --network none "$image" sleep 1000 >/dev/null
	set -- "$gocker exec target true" "runc --root $work/run/runc exec target true"
	if start_docker; then
		docker_ run -d --name target --network none "$image" sleep 1000 >/dev/null
		set -- "$@" "$docker exec target true"
	fi
	compare exec "$@"
	ours=$(median "$work/exec.json" 0) theirs=$(median "$work/exec.json" 1)
	row "\`exec CONTAINER true\` beside \`runc exec\`" \
		"$(ms "$ours")" "$(ms "$theirs")" "$(ratio "$ours" "$theirs")" "<=0.25"
	if [ "$with_docker" = yes ]; then
		theirs=$(median "$work/exec.json" 2)
		row "the same beside \`docker exec\`" \
			"$(ms "$ours")" "$(ms "$theirs")" "$(ratio "$ours" "$theirs")" "<=0.1"
		docker_ rm -f target >/dev/null
	fi
	"$gocker" rm -f target >/dev/null
	runc --root "$work/run/runc" delete -f target
}

# measure_background starts fifty containers, one after the other, and weighs
# their monitors.
measure_background() {
	start_docker || return 0
	for rival in "ours:$gocker" "theirs:$docker"; do
		cat >"$work/${rival%%:*}" <<-END
			for i in \$(seq 50); do ${rival#*:} run -d --network none $image sleep 1000; done
		END
	done
	cat >"$work/clean" <<-END
		for engine in "$gocker" "$docker"; do
			all=\$(\$engine ps -aq)
			[ -z "\$all" ] || \$engine rm -f \$all
		done
	END
	note "background, 50 containers"
	# Ours last: they are weighed.
	hyperfine -N --runs 3 --prepare "sh $work/clean" --export-json "$work/background.json" \
		"sh $work/theirs" "sh $work/ours" >&2
	theirs=$(awk "BEGIN { print $(median "$work/background.json" 0) / 50 }")
	ours=$(awk "BEGIN { print $(median "$work/background.json" 1) / 50 }")
	row "each of 50 \`run -d IMAGE sleep 1000\` beside \`docker run -d\`" \
		"$(ms "$ours")" "$(ms "$theirs")" "$(ratio "$ours" "$theirs")" "<=0.1"
	sleep 2 # the last has to come to rest
	largest=$(for id in $("$gocker" ps -q --no-trunc); do
		awk '/^Pss:/ { printf "%.2f\n", $2 / 1024 }' "/proc/$(monitor_of "$id")/smaps_rollup"
	done | sort -n | tail -n 1)
	row "private memory of the largest of their monitors (Pss, MiB)" "$largest" "" "$largest" "<=3"
	sh "$work/clean" >/dev/null
}

# measure_list lists two hundred containers that have been created.
measure_list() {
	start_docker || return 0
	for _ in $(seq 200); do
		"$gocker" create --network none "$image" true >/dev/null
		docker_ create --network none "$image" true >/dev/null
	done
	compare list "$gocker ps -a" "$docker ps -a"
	ours=$(median "$work/list.json" 0) theirs=$(median "$work/list.json" 1)
	row "\`ps -a\` with 200 containers beside \`docker ps -a\`" \
		"$(ms "$ours")" "$(ms "$theirs")" "$(ratio "$ours" "$theirs")" "<=0.4"
	sh -c "$gocker rm \$($gocker ps -aq); $docker rm \$($docker ps -aq)" >/dev/null
}

monitor_of() {
	for process in /proc/[0-9]*; do
		case $(tr '\0' ' ' 2>/dev/null <"$process/cmdline") in
		*gocker*" monitor "*"$1"*) echo "${process#/proc/}" ;;
		esac
	done
}

measure_memory() {
	"$gocker" run --name sleeper --network none "$image" sleep 1000 </dev/null &
	sleeper=$!
	until_true sh -c "\"$gocker\" ps -q --filter name=sleeper | grep ."
	kill -KILL "$sleeper" # the CLI's share of the pages isn't the monitor's
	wait "$sleeper" 2>/dev/null || :
	sleeper=
	sleep 2 # the container is to be asleep, and its monitor at rest
	monitor=$(monitor_of "$("$gocker" ps -q --no-trunc --filter name=sleeper)")
	pss=$(awk '/^Pss:/ { printf "%.2f", $2 / 1024 }' "/proc/$monitor/smaps_rollup")
	"$gocker" rm -f sleeper >/dev/null
	row "private memory of the monitor of a sleeping container (Pss, MiB)" "$pss" "" "$pss" "<=3"
}

measure_version() {
	mkdir "$work/empty"
	printf 'package main\n\nfunc main() {}\n' >"$work/empty/main.go"
	(cd "$work/empty" && CGO_ENABLED=0 "${GO:-go}" build -trimpath -ldflags '-s -w' -o main main.go)
	compare version "$gocker version" "$work/empty/main"
	ours=$(median "$work/version.json" 0) theirs=$(median "$work/version.json" 1)
	row "\`gocker version\` beside an empty Go main" \
		"$(ms "$ours")" "$(ms "$theirs")" "$(ratio "$ours" "$theirs")" "<=2.2"
}

measure_explain() {
	compare explain "$gocker run --explain $image true" "$gocker version"
	ours=$(median "$work/explain.json" 0) theirs=$(median "$work/explain.json" 1)
	row "\`gocker run --explain IMAGE true\` beside \`gocker version\`" \
		"$(ms "$ours")" "$(ms "$theirs")" "$(ratio "$ours" "$theirs")" "<=1.5"
}

measure_size() {
	size=$(stat -c %s "$gocker" | awk '{ printf "%.1f", $1 / 1e6 }')
	row "the binary (MB)" "$size" "" "$size" "<=15"
}

make_filesystem
start_registry
"$gocker" pull -q "$image" >/dev/null
make_bundle
: >"$work/table"
: >"$work/left-out"
for what in start bridge throughput exec background list memory version explain size; do
	if wanted "$what"; then "measure_$what"; fi
done

cat <<END
$(date -u +%Y-%m-%d), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, \
Linux $(uname -r), gocker $("$gocker" version --format '{{.Client.Version}}'), $(runc --version | head -n 1)\
$([ "$with_docker" != yes ] || docker_ version --format ', docker {{.Server.Version}}'). Medians of $runs runs.

| what | gocker | beside | ratio or value | limit | met |
| --- | --- | --- | --- | --- | --- |
$(cat "$work/table")

$(cat "$work/left-out")
END
