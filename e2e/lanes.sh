#!/bin/sh
# Merge what the lanes say of the scripts: lanes.sh FILE...
# Each line of a file is: lane, script, "ran" or "skipped", reason; tabs between
# them. Prints what was skipped in which lane and why, and fails when a script of
# e2e/testdata ran in no lane.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
for script in "$here"/testdata/*.txtar; do
	basename "$script" .txtar
done | awk -F '\t' '
	FILENAME == "-" { scripts[$1]; count++; next }
	$3 == "ran" { ran[$2] = 1 }
	$3 == "skipped" { skipped[$2] = skipped[$2] "  " $2 " in lane " $1 ": " $4 "\n" }
	END {
		print "skipped:"
		for (s in scripts) if (s in skipped) printf "%s", skipped[s]
		for (s in scripts) if (!(s in ran)) { missed = missed "  " s "\n"; n++ }
		printf "%d scripts, %d of them ran in no lane\n%s", count, n, missed
		exit n > 0
	}
' - "$@"
