#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the API server and the etcd of go.mod, once for each change of this folder, and links them. Usage:
#   build.sh CACHE FOLDER
# CACHE: where they are kept. FOLDER: where tests look for kube-apiserver and etcd; FOLDER/kube-apiserver.missing has the
# reason where they cannot be had.
set -eu

name=kubernetes
cache=${1:?the folder to keep them in}
links=${2:?the folder to link them in}
folder=$(cd "$(dirname "$0")" && pwd)
missing=$links/kube-apiserver.missing
# shellcheck source=tools/go.sh
. "$folder/../go.sh"

version=$(sed -n 's|^.*k8s.io/kubernetes v\([^ ]*\).*|\1|p' "$folder/go.mod" | head -n 1)
hash=$(cat "$folder/go.mod" "$folder/go.sum" "$folder/build.sh" | sha256sum | cut -c 1-12)
home=$cache/kubernetes-$version-$(uname -m)-$hash
mkdir -p "$cache" "$links"
rm -f "$missing" "$links/kube-apiserver" "$links/etcd"
if [ ! -x "$home/kube-apiserver" ]; then
	need_go "$folder"
	say "building kube-apiserver $version and etcd, once (about 6 minutes on two cores)"
	scratch=$(mktemp -d "$cache/kubernetes-XXXXXX")
	trap 'rm -rf "$scratch"' EXIT
	(cd "$folder" && go mod download) >&2 || miss "its Go modules could not be downloaded"
	minor=${version#*.}
	package=k8s.io/component-base/version
	# It takes its own version from the linker, and compares others with it.
	flags="-X $package.gitVersion=v$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*}"
	CGO_ENABLED=0 nice go build -C "$folder" -mod=readonly -trimpath -tags grpcnotrace -ldflags "-s -w $flags" -o "$scratch/" tool
	mkdir -p "$home"
	# Another build of the same may be running: each name appears with the whole file behind it, the server's last.
	mv "$scratch/server" "$home/etcd"
	mv "$scratch/kube-apiserver" "$home/kube-apiserver"
fi
ln -s "$home/etcd" "$home/kube-apiserver" "$links/"
