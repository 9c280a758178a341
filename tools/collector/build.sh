#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the OpenTelemetry Collector of builder.yaml, once for each change of this folder, and links it. Usage:
#   build.sh CACHE LINK
# CACHE: the folder it is kept in. LINK: where tests look for it; removed where it cannot be had, with the reason in
# LINK.missing, and that is no failure: the tests that need it are skipped.
set -eu

BUILDER=go.opentelemetry.io/collector/cmd/builder@v0.155.0

name=collector
cache=${1:?the folder to keep it in}
link=${2:?where to link it}
folder=$(cd "$(dirname "$0")" && pwd)
missing=$link.missing
# shellcheck source=tools/go.sh
. "$folder/../go.sh"

mkdir -p "$(dirname "$link")" "$cache"
rm -f "$link" "$missing"
hash=$(cat "$folder/builder.yaml" "$folder/go.mod" "$folder/go.sum" "$folder/build.sh" | sha256sum | cut -c 1-12)
home=$cache/collector-${BUILDER##*@v}-$(uname -m)-$hash
if [ ! -x "$home/otelcol" ]; then
	need_go "$folder"
	say "building it, once (a few minutes)"
	scratch=$(mktemp -d "$cache/collector-XXXXXX")
	trap 'rm -rf "$scratch"' EXIT
	export GOBIN="$scratch"
	nice go install -trimpath "$BUILDER" >&2
	mkdir "$scratch/source"
	cp "$folder/builder.yaml" "$folder/go.mod" "$folder/go.sum" "$scratch/source"
	# Only the source is made: the builder would look for newer modules than go.mod has.
	(cd "$scratch/source" && ../builder --config builder.yaml --skip-get-modules --skip-compilation >&2)
	(cd "$scratch/source" && nice go build -mod=readonly -trimpath -ldflags '-s -w' -o ../otelcol . >&2)
	mkdir -p "$home"
	# Another build of the same may be running: the name appears with the whole file behind it.
	mv "$scratch/otelcol" "$home/otelcol"
fi
ln -s "$home/otelcol" "$link"
