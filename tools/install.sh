#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what one group of targets needs and this machine lacks, by Debian package names. Usage:
#   install.sh build|demo|test|lint   Debian packages
#   install.sh bun DIRECTORY          Bun from its npm package, into DIRECTORY
# Does nothing, and needs neither network nor root, where all of it is there.
set -eu

BUN_VERSION=1.4.5

say() {
	printf 'tools: %s\n' "$*" >&2
}

# A command stands for its package, so that tools installed by other means count too.
install_missing() {
	missing=
	for pair in "$@"; do
		command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
	done
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		say "missing:$missing; install them, or run as root"
		exit 1
	fi
	say "installing$missing"
	apt-get update >&2
	# shellcheck disable=SC2086 # a list of names
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >&2
}

case "${1:-}" in
build)
	PATH="$PATH:/usr/sbin:/sbin"
	install_missing clang-19:clang-19 llvm-strip-19:llvm-19 gcc:gcc ip:iproute2
	[ -f "/usr/include/$(uname -m)-linux-gnu/asm/types.h" ] || install_missing no-such-command:linux-libc-dev
	[ -f /usr/include/stdio.h ] || install_missing no-such-command:libc6-dev
	;;
demo)
	PATH="$PATH:/usr/sbin:/sbin"
	install_missing ip:iproute2 iperf3:iperf3 ping:iputils-ping nc:netcat-openbsd
	;;
test)
	PATH="$PATH:/usr/sbin:/sbin"
	install_missing tshark:tshark nfpcapd:nfdump iperf3:iperf3 ethtool:ethtool ping:iputils-ping \
		bpftool:bpftool nm:binutils llvm-objdump-19:llvm-19 clang-19:clang-19 tc:iproute2 \
		nc:netcat-openbsd tcpdump:tcpdump curl:curl openssl:openssl nft:nftables
	;;
lint)
	install_missing clang-format-19:clang-format-19 clang-tidy-19:clang-tidy-19 shellcheck:shellcheck
	;;
bun)
	directory=${2:?the directory to install into}
	[ ! -x "$directory/node_modules/.bin/bun" ] || exit 0
	install_missing npm:npm
	say "installing bun $BUN_VERSION"
	mkdir -p "$directory"
	npm install --silent --no-save --prefix "$directory" "bun@$BUN_VERSION" >&2
	;;
*)
	say "usage: install.sh build|demo|test|lint|bun DIRECTORY"
	exit 2
	;;
esac
