#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the tests and prints "N passed, N failed, N skipped" last. Usage: test.sh [PATTERN ...]
# The same line goes to build/test.summary, for .ci/run to add up.
set -u

log=build/test.log
mkdir -p build
if [ "$(id -u)" != 0 ]; then
	printf 'tests: they load BPF programs and make network namespaces: run as root\n' >&2
	exit 1
fi

rm -f build/attributes.seen
bun test --timeout 120000 "$@" 2>&1 | tee "$log"
count() {
	sed -n "s/^ *\([0-9][0-9]*\) $1\$/\1/p" "$log" | tail -n 1
}
passed=$(count pass)
failed=$(count fail)
skipped=$(count skip)
# A runner that dies half-way prints no totals: that is a failure, not an empty success.
if [ -z "$passed" ]; then
	passed=0
	failed=1
fi
errors=$(count 'error[s]*')
failed=$((${failed:-0} + ${errors:-0}))
# A part of the tests does not see every attribute.
if [ "$#" -eq 0 ]; then
	bun test/judge-attributes.ts "${skipped:-0}"
	case $? in
	0) passed=$((passed + 1)) ;;
	2) skipped=$((skipped + 1)) ;;
	*) failed=$((failed + 1)) ;;
	esac
fi
printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "${skipped:-0}" | tee build/test.summary
[ "$failed" -eq 0 ]
