# What a scenario's script is made of. A scenario defines: hooked (interfaces the agent must attach
# to), await_spans, crash_first, wire (a device whose counters are kept, or nothing), and the functions
# setup and exchanges.
# shellcheck shell=sh disable=SC2154

# A deadline in tenths of a second for whatever is waited for; emulation is slow.
DEADLINE=900

# ---- set-up ----

# in_namespace NAME COMMAND…; root is the guest's own. /sys stays the guest's, bpffs in it.
in_namespace() {
	namespace=$1
	shift
	if [ "$namespace" = root ]; then
		"$@"
	else
		nsenter --net="/run/netns/$namespace" "$@"
	fi
}

# No IPv6 but where a scenario asks for it: its neighbour and router messages would be flows, too.
# No tail loss probes: under emulation a late acknowledgement is no loss.
quiet_namespace() {
	sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 \
		net.ipv6.conf.default.accept_dad=0 net.ipv4.tcp_early_retrans=0
}

add_namespace() {
	ip netns add "$1"
	in_namespace "$1" ip link set lo up
	# The function is not known behind nsenter: its file is.
	in_namespace "$1" dash -c '. /test/steps.sh && quiet_namespace'
}

# add_cable NAMESPACE DEVICE NAMESPACE DEVICE: a veth pair, both ends up.
add_cable() {
	in_namespace "$1" ip link add "$2" type veth peer name cable_end
	if [ "$3" != "$1" ]; then
		in_namespace "$1" ip link set cable_end netns "$(namespace_target "$3")"
	fi
	in_namespace "$3" ip link set cable_end name "$4"
	in_namespace "$1" ip link set "$2" up
	in_namespace "$3" ip link set "$4" up
}

# ip names a namespace by its file in /run/netns or by a process that lives in it.
namespace_target() {
	if [ "$1" = root ]; then echo 1; else echo "$1"; fi
}

# add_address NAMESPACE DEVICE ADDRESS/LENGTH
add_address() {
	case $3 in
	*:*)
		in_namespace "$1" sysctl -q -w "net/ipv6/conf/$2/disable_ipv6=0"
		in_namespace "$1" ip address add "$3" dev "$2" nodad
		;;
	*) in_namespace "$1" ip address add "$3" dev "$2" ;;
	esac
	in_namespace "$1" ip link set "$2" up
}

# add_neighbour NAMESPACE DEVICE ADDRESS NAMESPACE_THERE: the address is at the device of the same name
# there, so that nobody asks for it: ARP in a tunnel is a flow of its outer headers.
add_neighbour() {
	mac=$(in_namespace "$4" ip link show dev "$2" | sed -n 's/.*link\/ether \([0-9a-f:]*\).*/\1/p')
	in_namespace "$1" ip neighbour replace "$3" dev "$2" lladdr "$mac" nud permanent
}

# await_device NAMESPACE DEVICE
await_device() {
	left=$DEADLINE
	until in_namespace "$1" ip link show "$2" >/dev/null 2>&1; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || return 1
		sleep 0.1
	done
}

list_devices() {
	for path in /sys/class/net/*/ifindex; do
		basename "$(dirname "$path")"
	done
}

# An acknowledgement that emulation delays is no loss: nothing is sent again before five seconds have passed.
be_patient() {
	for family in -4 -6; do
		in_namespace "$1" ip "$family" route show | sed 's/^/route change /; s/ *$/ rto_min 5s/' |
			in_namespace "$1" ip "$family" -batch -
	done
}

remove_everything() {
	# Run still only where the scenario was cut short, but for the program of somebody else.
	for file in *.pid; do
		if [ -f "$file" ]; then kill -KILL "$(cat "$file")" 2>/dev/null; fi
	done
	mount -o remount,bind,rw /sys/fs/bpf
	rm -rf /sys/fs/bpf/mermin
	if [ -f /run/cable.pid ]; then
		kill "$(cat /run/cable.pid)"
		rm -f /run/cable.pid
	fi
	for namespace in $(ip netns list | cut -d ' ' -f 1); do
		ip netns delete "$namespace"
	done
	for device in $(list_devices); do
		# A device may go with another one: then there is nothing left to delete.
		[ "$device" = lo ] || ip link delete "$device" 2>/dev/null
	done
	# Each line is "port NUMBER …"; without the module there is none.
	ip fou show 2>/dev/null | while read -r _ port _; do
		ip fou del port "$port"
	done
	# Rules that translate would do so in the scenarios to come; without the module there are none.
	if grep -q '^nf_tables ' /proc/modules; then nft flush ruleset; fi
	sysctl -q -w net.ipv4.ip_forward=0 kernel.bpf_stats_enabled=0 kernel.modprobe=/sbin/modprobe
}

# ---- what the kernel says ----

# Processes are dear in emulation: what can be asked of all devices at once is, and filters only where there may be some.
show_traces() {
	tool objects
	echo "pins $(find /sys/fs/bpf -mindepth 1 | wc -l)"
	tool devices
	tc qdisc show | sed 's/^qdisc \(.*\) dev \([^ ]*\)/\2 qdisc \1/'
	for device in $(list_filtered); do
		for side in ingress egress; do
			tc filter show dev "$device" "$side" 2>/dev/null | sed "s/^/$device $side /"
		done
	done
}

# Devices that filters can hang at.
list_filtered() {
	tc qdisc show | sed -n 's/^qdisc \(clsact\|ingress\) .* dev \([^ ]*\).*/\2/p'
}

# One line per device: name, TCX programs in and out ("none": no TCX), bpf filters in and out.
show_hooks() {
	filtered=" $(list_filtered | tr '\n' ' ')"
	tool devices | while read -r device _ in out; do
		case $filtered in
		*" $device "*) echo "$device $in $out $(count_filters "$device" ingress) $(count_filters "$device" egress)" ;;
		*) echo "$device $in $out 0 0" ;;
		esac
	done
}

count_filters() {
	tc filter show dev "$1" "$2" 2>/dev/null | grep -c 'bpf.*direct-action'
}

# The TCX programs and the bpf filters with their programs' numbers, of one device.
show_programs() {
	tool hooks "$1"
	for side in ingress egress; do
		tc filter show dev "$1" "$side" 2>/dev/null | grep 'bpf.*direct-action' | sed "s/^/$side /"
	done
}

# show_wire STEP: what the device has sent and received so far.
show_wire() {
	[ -n "$wire" ] || return 0
	for counter in tx_packets tx_bytes rx_packets rx_bytes; do
		echo "$counter $(cat "/sys/class/net/$wire/statistics/$counter")"
	done >"wire.$1"
}

# ---- the agent ----

# Starts the agent and waits until it counts at every hook: it has said so once more than one that ran before.
start_agent() {
	: >>agent.log
	starts=$(count_starts)
	/test/mermin run -c /test/scenarios/"$name".toml >>spans.ndjson 2>>agent.log &
	agent=$!
	echo "$agent" >agent.pid
	left=$DEADLINE
	until [ "$(count_starts)" -gt "$starts" ]; do
		left=$((left - 3))
		if [ "$left" -le 0 ] || ! is_running "$agent"; then return 1; fi
		sleep 0.3
	done
}

count_starts() {
	grep -c 'agent started' agent.log
}

# A child that has ended stays a zombie until it is waited for: kill -0 would still find it.
is_running() {
	grep -q '^State:[[:space:]]*[^Z[:space:]]' "/proc/$1/status" 2>/dev/null
}

# Neighbour and router messages are flows, too, but none that is waited for: of ICMPv6 only echoes count.
count_spans() {
	awk '!/"flow_ipv6_icmpv6"/ || /"flow.icmp.type.id":128/' spans.ndjson | wc -l
}

# await_spans COUNT
await_spans() {
	left=$DEADLINE
	until [ "$(count_spans)" -ge "$1" ]; do
		left=$((left - 1))
		if [ "$left" -le 0 ] || ! is_running "$agent"; then return 1; fi
		sleep 0.1
	done
}

# await_line TEXT: until the agent has said it.
await_line() {
	left=$DEADLINE
	until grep -q "$1" agent.log; do
		left=$((left - 1))
		if [ "$left" -le 0 ] || ! is_running "$agent"; then return 1; fi
		sleep 0.1
	done
}

# Ends the agent; its exit code goes to agent.rc: 137 when only the deadline's SIGKILL ended it.
stop_agent() {
	kill -TERM "$agent"
	left=$DEADLINE
	while is_running "$agent"; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || kill -KILL "$agent"
		sleep 0.1
	done
	wait "$agent"
	echo $? >agent.rc
	rm agent.pid
}

# Programs and maps are freed after a grace period: until their numbers equal those of before, or a deadline; then the
# same with all traces.
await_traces() {
	head -n 3 traces.before >objects.before
	left=15
	until tool objects | cmp -s - objects.before; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || break
		sleep 0.1
	done
	until show_traces >traces.after && cmp -s traces.before traces.after; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || return 0
		sleep 0.1
	done
}

# ---- exchanges ----

# exchange ID CLIENT_NAMESPACE SERVER_NAMESPACE COMMAND…: runs it between two looks at the counters.
exchange() {
	id=$1
	client=$2
	server=$3
	shift 3
	tool counters "$client" >"$id.client.before"
	tool counters "$server" >"$id.server.before"
	"$@" >"$id.log" 2>&1
	echo $? >"$id.rc"
	tool counters "$client" >"$id.client.after"
	tool counters "$server" >"$id.server.after"
}

# ---- a scenario ----

run_scenario() {
	(
		set -e
		setup
		be_patient root
		for namespace in $(ip netns list | cut -d ' ' -f 1); do
			be_patient "$namespace"
		done
	) >setup.log 2>&1
	echo $? >setup.rc
	: >spans.ndjson
	show_traces >traces.before
	if [ "$crash_first" = yes ]; then
		start_agent
		kill -KILL "$agent"
		wait "$agent"
		: >spans.ndjson
	fi
	show_wire outside.before
	start_agent
	echo $? >attach.rc
	show_wire inside.before
	show_hooks >hooks
	exchanges
	if [ "$await_spans" -gt 0 ]; then
		await_spans "$await_spans"
	fi
	show_wire inside.after
	stop_agent
	show_wire outside.after
	await_traces
}
