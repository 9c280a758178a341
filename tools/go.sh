#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Sourced by the build scripts of what tests need and Go builds. They set `name`, for their lines, and `missing`, the
# file that says why it could not be had.
: "${name:?}" "${missing:?}"

say() {
	printf '%s: %s\n' "$name" "$*" >&2
}

# Not to have it is no failure: the tests that need it are skipped, with this reason.
miss() {
	say "$*; the tests that need it are skipped"
	printf '%s\n' "$*" >"$missing"
	exit 0
}

# Finds Go, in the version that $1/go.mod asks for, and never downloads another.
need_go() {
	export PATH="$PATH:/usr/local/go/bin" GOTOOLCHAIN=local GOFLAGS=-buildvcs=false
	command -v go >/dev/null 2>&1 || miss "there is no Go to build it with"
	needed=$(sed -n 's/^go //p' "$1/go.mod")
	found=$(go env GOVERSION)
	newest=$(printf '%s\n%s\n' "$needed" "${found#go}" | sort -V | tail -n 1)
	[ "$newest" = "${found#go}" ] || miss "Go $needed is needed to build it, there is ${found#go}"
}
