#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Shows the agent at work: two network namespaces talk to each other (echo, DNS, TCP, UDP, IPv4 and IPv6), and their
# flows come out as spans on the terminal. Nothing leaves the namespaces; all of it is removed at the end.
# Usage: demo.sh (as root, after `make build`)
set -euo pipefail

cd "$(dirname "$0")/.."
client=mermin-demo-$$-client
server=mermin-demo-$$-server
folder=
agent=

say() {
	printf '\n\033[1m%s\033[0m\n' "$*" >&2
}

# shellcheck disable=SC2317,SC2329 # called by the trap
remove() {
	trap - EXIT
	for name in "$client" "$server"; do
		ip netns pids "$name" 2>/dev/null | xargs -r kill 2>/dev/null || true
		ip netns delete "$name" 2>/dev/null || true
	done
	[ -z "$folder" ] || rm -rf "$folder"
}

if [ "$(id -u)" != 0 ]; then
	echo 'demo: it makes network namespaces and loads BPF programs: run as root' >&2
	exit 1
fi
trap remove EXIT
trap 'exit 130' INT TERM

folder=$(mktemp -d)
on_client() { ip netns exec "$client" "$@"; }
on_server() { ip netns exec "$server" "$@"; }

# Waits until a listener of the server is there, for at most five seconds.
await_listener() {
	for _ in $(seq 100); do
		[ -z "$(on_server ss -Hln "$@")" ] || return 0
		sleep 0.05
	done
	echo "demo: nobody listens ($*)" >&2
	return 1
}

ip netns add "$client"
ip netns add "$server"
ip link add eth0 netns "$client" type veth peer name eth0 netns "$server"
number=1
for name in "$client" "$server"; do
	ip -n "$name" link set lo up
	ip -n "$name" link set eth0 addrgenmode none up
	ip -n "$name" address add 192.0.2.$number/24 dev eth0
	ip -n "$name" address add 2001:db8::$number/64 dev eth0 nodad
	number=$((number + 1))
done
ip -n "$client" route add default via 192.0.2.2

cat >"$folder/mermin.toml" <<'TOML'
[span]
tcp_fin_timeout = "1s"
tcp_rst_timeout = "1s"
udp_timeout = "2s"
icmp_timeout = "2s"
[export.stdout]
format = "pretty"
[server]
enabled = false
[metrics]
enabled = false
TOML

say 'An agent watches the client; a BPF file system of its own keeps it from an agent of this machine.'
# shellcheck disable=SC2016 # expanded by the inner shell
nsenter --net="/run/netns/$client" unshare --mount \
	sh -c 'mount -t bpf bpf /sys/fs/bpf && exec "$@"' sh \
	dist/mermin run -c "$folder/mermin.toml" 2> >(tee "$folder/log" >&2) &
agent=$!
for _ in $(seq 100); do
	! grep -q 'agent started' "$folder/log" 2>/dev/null || break
	kill -0 "$agent" || exit 1
	sleep 0.05
done

say 'ping, over IPv4 and IPv6'
on_client ping -q -c 5 -i 0.1 192.0.2.2 >"$folder/ping4" &
on_client ping -q -c 5 -i 0.1 2001:db8::2 >"$folder/ping6"
wait $!

say 'a question to a name server, and its answer'
# Header, "example.", type A, class IN; the answer adds a pointer to the name, type, class, lifetime and address.
question='\x07example\x00\x00\x01\x00\x01'
answer='\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x02'
printf '%b' "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00$question$answer" |
	on_server nc -n -u -l -W 1 192.0.2.2 53 >/dev/null &
await_listener --udp 'sport = :53'
printf '%b' "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00$question" |
	on_client nc -n -u -W 1 192.0.2.2 53 >/dev/null
wait $!

say 'TCP and UDP by iperf3'
on_server iperf3 --server --port 443 >/dev/null 2>&1 &
await_listener --tcp 'sport = :443'
on_client iperf3 --client 192.0.2.2 --port 443 --bytes 100M >/dev/null
on_client iperf3 --client 2001:db8::2 --port 443 --bytes 20M --reverse >/dev/null
on_client iperf3 --client 192.0.2.2 --port 443 --udp --bandwidth 50M --time 1 >/dev/null

say 'Flows end when they have been quiet for a while; the agent then tells them.'
sleep 3.2
say 'The agent is stopped, and tells what is left.'
kill -TERM "$agent"
wait "$agent"
