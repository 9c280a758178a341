#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds libbpf, libelf and zlib as static, position-independent archives from the distribution's
# source packages, which its binary packages do not guarantee. Usage:
#   dependencies.sh [DIRECTORY]    build into DIRECTORY (include/, lib/) unless it is complete
#   dependencies.sh --directory    print the default directory, outside the source tree
# The machine's package lists are left alone; a complete directory needs neither network nor root.
set -eu

BUILD_PACKAGES="ca-certificates dpkg-dev gcc libc6-dev linux-libc-dev m4 make"
SOURCE_PACKAGES="libbpf elfutils zlib"
# Of a function that is not called nothing stays in the shim.
FLAGS="-O2 -g0 -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections"

default_directory() {
	# shellcheck source=/dev/null
	. /etc/os-release
	hash=$(sha256sum "$0" | cut -c 1-12)
	printf '%s/mermin/dependencies-%s-%s-%s-%s\n' "${XDG_CACHE_HOME:-$HOME/.cache}" \
		"$ID" "${VERSION_ID:-rolling}" "$(uname -m)" "$hash"
}

say() {
	printf 'dependencies: %s\n' "$*" >&2
}

install_build_packages() {
	missing=
	for package in $BUILD_PACKAGES; do
		status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
		[ "$status" = installed ] || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	say "installing$missing"
	apt-get update >&2
	# shellcheck disable=SC2086 # a list of names
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >&2
}

# The machine's own entries of its distribution (by code name and component), as source entries.
write_source_entries() {
	# shellcheck source=/dev/null
	. /etc/os-release
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$file" ] || continue
		sed -n "s/^deb\(-src\)\{0,1\} \(.* $VERSION_CODENAME\(-[a-z]*\)\{0,1\} .*main.*\)/deb-src \2/p" "$file"
	done | sort -u >"$1/distribution.list"
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -f "$file" ] || continue
		awk -v RS= -v codename="$VERSION_CODENAME" '
			("\n" $0) ~ "\nSuites:[^\n]*[ \t]" codename && ("\n" $0) ~ "\nComponents:[^\n]*[ \t]main" {
				gsub(/(^|\n)Types:[^\n]*/, "\nTypes: deb-src")
				print $0 "\n"
			}' "$file"
	done >"$1/distribution.sources"
	[ -s "$1/distribution.list" ] || [ -s "$1/distribution.sources" ] || {
		say "no apt entry for $VERSION_CODENAME main in /etc/apt"
		exit 1
	}
}

fetch_sources() {
	mkdir -p "$1/apt/parts" "$1/apt/lists/partial" "$1/apt/cache/archives/partial" "$1/source"
	write_source_entries "$1/apt/parts"
	set -- "$1" -qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$1/apt/parts" \
		-o "Dir::State::lists=$1/apt/lists" -o "Dir::Cache=$1/apt/cache" -o APT::Sandbox::User=root
	scratch=$1
	shift
	say "fetching the sources of $SOURCE_PACKAGES"
	apt-get "$@" update >&2
	# shellcheck disable=SC2086 # a list of names
	(cd "$scratch/source" && apt-get "$@" source $SOURCE_PACKAGES >&2)
}

build_zlib() {
	cd "$1"/source/zlib-*/
	CFLAGS="$FLAGS" ./configure --static --prefix="$2"
	make -j "$(nproc)" libz.a
	cp libz.a "$2/lib/"
	cp zlib.h zconf.h "$2/include/"
}

# Only libelf and the internal library it uses; compression other than zlib's is configured away.
build_libelf() {
	cd "$1"/source/elfutils-*/
	# The distribution's patches make generated files look stale; there is nothing to regenerate.
	find . -name aclocal.m4 -exec touch {} +
	find . '(' -name Makefile.in -o -name configure -o -name config.h.in ')' -exec touch {} +
	CFLAGS="$FLAGS" CPPFLAGS="-I$2/include" LDFLAGS="-L$2/lib" ./configure --disable-nls \
		--disable-debuginfod --disable-libdebuginfod --disable-symbol-versioning \
		--without-bzlib --without-lzma --without-zstd
	make -j "$(nproc)" -C lib libeu.a
	make -j "$(nproc)" -C libelf libelf.a
	# libelf.a alone misses what it calls in libeu.a: one archive of both.
	printf 'create %s\naddlib libelf/libelf.a\naddlib lib/libeu.a\nsave\nend\n' "$2/lib/libelf.a" | ar -M
	cp libelf/libelf.h libelf/gelf.h libelf/elf.h "$2/include/"
}

build_libbpf() {
	mkdir "$1/libbpf"
	cd "$1"/source/libbpf-*/src
	make -j "$(nproc)" BUILD_STATIC_ONLY=1 NO_PKG_CONFIG=1 OBJDIR="$1/libbpf" PREFIX= INCLUDEDIR="$2/include" \
		LIBDIR="$2/lib" CFLAGS="$FLAGS -I$2/include" install
}

build() {
	directory=$1
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	trap 'exit 1' HUP INT TERM
	install_build_packages
	fetch_sources "$scratch"
	rm -rf "$directory"
	mkdir -p "$directory/include" "$directory/lib"
	directory=$(cd "$directory" && pwd)
	for library in zlib libelf libbpf; do
		say "building $library"
		# Not as a condition: there the shell would go on after a failed step.
		set +e
		(set -e; "build_$library" "$scratch" "$directory") >"$scratch/$library.log" 2>&1
		status=$?
		set -e
		[ $status -eq 0 ] || {
			tail -n 40 "$scratch/$library.log" >&2
			say "cannot build $library"
			exit 1
		}
	done
	(cd "$scratch/source" && ls -- *.dsc) >"$directory/complete"
}

case "${1-}" in
--directory)
	default_directory
	;;
*)
	target=${1:-$(default_directory)}
	[ -f "$target/complete" ] || build "$target"
	;;
esac
