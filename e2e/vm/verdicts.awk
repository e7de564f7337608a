# Print the tests of a log that were skipped (-v want=SKIP) or that failed (-v
# want=FAIL), each with what it had said. Among the latter is what belongs to no
# test or to one without an end, as the stacks of a test that took too long.
#
# The log is one of -test.v or -test.v=test2json. Go says whose the lines are
# that follow, and what became of a test after all of its lines.

{ sub(/^\026/, "") }

/^=== (RUN|PAUSE|CONT|NAME) / {
	name = $3
	next
}

/^ *--- (PASS|FAIL|SKIP): / {
	if ($2 == want ":")
		printf "%s\n%s", $0, said[$3]
	delete said[$3]
	next
}

{ said[name] = said[name] $0 "\n" }

END {
	if (want == "FAIL")
		for (name in said)
			printf "%s", said[name]
}
