#!/bin/sh
# What the virtual machine runs for lane.sh: tests.sh DIRECTORY SECONDS
#
# DIRECTORY has a file "packages", a directory of the source a line, and the
# compiled tests of each. A package's result comes out as soon as it is known,
# and of e2e each script's; what has failed is told whole. All of it takes no
# more than SECONDS: a test that is still running then has to say where.
#
# RUN and SLOW are regular expressions: the scripts that are asked for, and the
# tests that are left out.
set -u

compiled=$1
here=$(cd "$(dirname "$0")" && pwd)
log=$TMPDIR/log

# seconds sets $now to a clock that nobody sets.
seconds() {
	read -r now _ </proc/uptime
	now=${now%.*}
}

# without prints the words of $2 that are not $1.
without() {
	for word in $2; do
		[ "$word" = "$1" ] || printf '%s ' "$word"
	done
}

# follow reads the log of a process's tests for as long as it lives: the ends of
# scripts come out here, and what is running goes to run.sh, which tells it when
# the machine stands still. Its arguments are the process and the package.
follow() {
	running=
	tail -s 0.5 -n +1 -f --pid="$1" "$log" |
		grep -a --line-buffered -e '^.\?=== [RPC]' -e '^.\?--- ' |
		while read -r mark what name time; do
			case "$mark $what" in
			*"=== RUN" | *"=== CONT")
				# A test's name stands for those around it.
				running="$(without "$name" "$(without "${name%/*}" "$running")")$name " ;;
			*"=== PAUSE") running=$(without "$name" "$running") ;;
			*"--- "*)
				running=$(without "$name" "$running")
				case "$2 $what $name" in
				e2e\ PASS:\ */*) echo "	pass ${name#*/} $time" ;;
				e2e\ FAIL:\ */*) echo "	FAIL ${name#*/} $time" ;;
				esac
				;;
			esac
			echo "vm-now gocker/$2: $running" >"$VM_RESULTS"
		done
}

seconds
end=$((now + $2))
status=0
while read -r package; do
	seconds
	begin=$now
	# So that what comes last, and is longest, has its time whatever comes first.
	limit=300
	[ "$package" != e2e ] && [ $((now + limit)) -lt "$end" ] || limit=$((end > now ? end - now : 1))
	# Go's own clock starts once e2e has filled its registry; should Go not keep
	# to it, SIGQUIT makes it print where it is all the same.
	alarm=$((limit > 60 ? limit - 40 : limit))
	set -- -test.v=test2json -test.timeout="${alarm}s" -test.skip="^($SLOW)\$"
	[ -z "$RUN" ] || set -- "$@" -test.run="/.*$RUN"
	: >"$log"
	(cd "$package" && exec timeout --foreground -s QUIT -k 10 "$limit" \
		"$compiled/$(basename "$package").test" "$@") >"$log" 2>&1 </dev/null &
	tests=$!
	follow "$tests" "$package" &
	follower=$!
	failed=0
	wait "$tests" || failed=1
	wait "$follower"
	seconds
	# The scripts that were skipped are in the results.
	[ "$package" = e2e ] || awk -f "$here/verdicts.awk" -v want=SKIP "$log"
	if [ "$failed" = 0 ]; then
		echo "ok  	gocker/$package	$((now - begin))s (vm)"
	else
		status=1
		awk -f "$here/verdicts.awk" -v want=FAIL "$log"
		echo "FAIL	gocker/$package	$((now - begin))s (vm)"
	fi
done <"$compiled/packages"
echo "--- SKIP in the vm, because they are slow and run on the host: $SLOW"
exit $status
