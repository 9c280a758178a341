# Lives of agents: what happens while they run and when one follows another. Each function is a scenario of
# lives.ts, in the words of steps.sh; it stops at the first command that fails.
# shellcheck shell=sh source=test/kernels/guest/steps.sh disable=SC2154,SC2016

# ---- agents and senders, by name ----

# launch AGENT CONFIG [BUILD]: its spans go to AGENT.ndjson, its log to AGENT.log.
launch() {
	"/test/${3:-mermin}" run -c "/test/scenarios/$name.$2.toml" >"$1.ndjson" 2>"$1.log" &
	echo $! >"$1.pid"
}

# start AGENT CONFIG [BUILD]: until it counts.
start() {
	launch "$@"
	await_line "$1.log" 'agent started'
}

# send NAME KIND WORD…: the tool's datagrams or requests, which prints how many it sent.
send() {
	sender=$1
	shift
	tool "$@" >"$sender.sent" &
	echo $! >"$sender.pid"
}

# finish NAME SIGNAL
finish() {
	kill "-$2" "$(cat "$1.pid")"
	reap "$1"
}

# reap NAME: waits for its end; the exit code goes to NAME.rc.
reap() {
	code=0
	wait "$(cat "$1.pid")" || code=$?
	echo "$code" >"$1.rc"
	rm "$1.pid"
}

# await WORD…: until the command succeeds.
await() {
	left=$DEADLINE
	until "$@"; do
		left=$((left - 3))
		[ "$left" -gt 0 ] || return 1
		sleep 0.3
	done
}

# await_line FILE TEXT
await_line() {
	await grep -q "$2" "$1"
}

has_lines() {
	[ "$(wc -l <"$1")" -ge "$2" ]
}

# await_told AGENT COUNT: so many records, whose writing is then acknowledged.
await_told() {
	await has_lines "$1.ndjson" "$2"
}

# count_sent NAMESPACE PROTOCOL: datagrams ("Udp:") or segments ("Tcp:") that the namespace sent.
count_sent() {
	in_namespace "$1" cat /proc/net/snmp |
		awk -v group="$2" '$1 == group { sent = group == "Udp:" ? $5 : $12 } END { print sent }'
}

has_sent() {
	[ "$(count_sent "$1" "$2")" -ge "$3" ]
}

# await_more NAMESPACE PROTOCOL COUNT: until it has sent so many more.
await_more() {
	await has_sent "$1" "$2" $(($(count_sent "$1" "$2") + $3))
}

# show_ends WHEN: the counters of the agent's namespace and the peer's.
show_ends() {
	tool counters root >"life.client.$1"
	tool counters peer >"life.server.$1"
}

# ---- what is attached ----

# show_attachment STEP: everything of whoever at the hooks, a line each.
show_attachment() {
	{
		tool links | sed 's/^/link /'
		tool programs | sed 's/^/program /'
		for device in $(list_devices); do
			echo "device $device $(cat "/sys/class/net/$device/ifindex")"
			tool order "$device" | sed "s/^/order $device /"
			tc qdisc show dev "$device" | sed "s/^/qdisc $device /"
			for side in ingress egress; do
				tc filter show dev "$device" "$side" 2>/dev/null | sed "s/^/filter $device $side /"
			done
		done
	} >"$1.attached"
}

has_hooks() {
	[ "$(tool hooks "$1" | cut -d ' ' -f 1)" = "$2" ]
}

# A TCX program, where the kernel has those, a filter behind ours, and a queueing discipline.
add_foreign() {
	tc qdisc add dev veth0 root pfifo limit 50
	tc qdisc add dev veth0 clsact
	tc filter add dev veth0 ingress priority 100 protocol all matchall action continue
	if has_hooks veth0 0; then
		tool foreign veth0 last &
		echo $! >foreign.pid
		await has_hooks veth0 1
	fi
}

# ---- lives ----

# Agents one after the other, of which all but the last keep what they attached.
life_replaced() {
	add_namespace peer
	for device in veth0 veth1; do add_cable root "$device" peer "$device"; done
	add_address root veth0 10.31.0.1/24
	add_address peer veth0 10.31.0.2/24
	add_foreign
	show_traces >traces.before
	show_attachment before
	show_ends before
	for agent in first second third; do
		if [ "$agent" = third ]; then start third transient; else start "$agent" persistent; fi
		show_attachment "$agent"
		tool udp root 10.31.0.1 40000 peer 10.31.0.2 5000 20 300 2 77
		finish "$agent" TERM
		show_attachment "$agent.after"
		[ "$agent" = third ] || tool udp root 10.31.0.1 40000 peer 10.31.0.2 5000 20 300 2 77
	done
	show_ends after
	start fourth late
	show_attachment fourth
	tool udp root 10.31.0.1 40001 peer 10.31.0.2 5000 20 300 2 77
	finish fourth TERM
	await_traces
	show_attachment after
}

# Two conversations go on while agents are killed, end, and overlap.
life_restarts() {
	add_namespace peer
	add_cable root veth0 peer veth0
	add_address root veth0 10.32.0.1/24
	add_address peer veth0 10.32.0.2/24
	be_patient root
	be_patient peer
	show_traces >traces.before
	show_ends before
	start first persistent
	send datagrams datagrams root 10.32.0.1 40000 peer 10.32.0.2 5000 300 77 15 0
	send requests requests root 10.32.0.1 40001 peer 10.32.0.2 5001 400 200 25 0
	await_told first 4
	await_more root Udp: 20
	finish first KILL
	await_more root Udp: 40
	start second persistent
	await_told second 4
	finish second TERM
	await_more root Udp: 40
	start third persistent
	launch fourth persistent
	await_told third 2
	finish third TERM
	await_line fourth.log 'agent started'
	await_more root Udp: 40
	finish datagrams TERM
	finish requests TERM
	show_ends after
	finish fourth TERM
	for command in list prune uninstall; do
		/test/mermin bpf "$command" >"$command.txt" 2>"$command.log"
	done
	await_traces
}

# await_lines FILE TEXT COUNT
await_lines() {
	await has_matches "$@"
}

has_matches() {
	[ "$(grep -c "$2" "$1")" -ge "$3" ]
}

# is_bare NAMESPACE DEVICE: no program hangs there.
is_bare() {
	in_namespace "$1" dash -c '. /test/steps.sh && show_programs "$1"' dash "$2" >bare
	! grep -Eq '[1-9]|bpf' bare
}

# join DEVICE NAMESPACE SUBNET [INDEX]: a cable from the agent's namespace, and an address at both ends.
join() {
	# The index is two words, or none.
	# shellcheck disable=SC2086
	ip link add name "$1" ${4:+index $4} type veth peer name cable_end
	ip link set cable_end netns "$2"
	in_namespace "$2" ip link set cable_end name veth0
	add_address root "$1" "$3.1/24"
	add_address "$2" veth0 "$3.2/24"
}

# talk NAMESPACE SUBNET: the same conversation each time.
talk() {
	tool udp root "$2.1" 40000 "$1" "$2.2" 5000 20 300 2 77
}

# Interfaces that come, are renamed, move away, go, and come back under an old index.
life_followed() {
	for namespace in peer other third; do add_namespace "$namespace"; done
	join f0 peer 10.33.0
	show_traces | sed 1,4!d >traces.before
	start first follow
	talk peer 10.33.0
	join f1 other 10.33.1
	await_line first.log 'interface attached interface=f1'
	talk other 10.33.1
	ip link set f1 down
	await_line first.log 'interface left interface=f1'
	ip link set f1 name f2
	ip link set f2 up
	await_line first.log 'interface attached interface=f2'
	talk other 10.33.1
	index=$(cat /sys/class/net/f2/ifindex)
	ip link set f2 netns third
	await_line first.log 'interface left interface=f2'
	await is_bare third f2
	in_namespace other ip link delete veth0
	join f2 other 10.33.1 "$index"
	await_lines first.log 'interface attached interface=f2' 2
	talk other 10.33.1
	index=$(cat /sys/class/net/f0/ifindex)
	ip link delete f0
	join f0 peer 10.33.0 "$index"
	await_lines first.log 'interface attached interface=f0' 2
	talk peer 10.33.0
	finish first TERM
	await_nothing
}

# The counts of objects and pins alone: the devices are others than before.
await_nothing() {
	left=15
	until show_traces | sed 1,4!d >traces.after && cmp -s traces.before traces.after; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || return 0
		sleep 0.1
	done
}

# Two pods of a node. A connection that is older than the agent, one that is not, and one whose requests get lost.
life_connections() {
	for namespace in caller server; do add_namespace "$namespace"; done
	join veth0 caller 10.34.1
	join veth1 server 10.34.2
	in_namespace caller ip route add default via 10.34.1.1
	in_namespace server ip route add default via 10.34.2.1
	sysctl -q -w net.ipv4.ip_forward=1
	sysctl -q -w kernel.bpf_stats_enabled=1
	show_traces >traces.before
	# By the ports alone the server would be taken for the client.
	send older requests caller 10.34.1.2 5000 server 10.34.2.2 45000 400 200 50 0
	await_more caller Tcp: 6
	start first plain
	await_more caller Tcp: 10
	finish older TERM
	tool requests caller 10.34.1.2 40001 server 10.34.2.2 5001 400 200 20 10 >whole.sent
	await_line first.log 'released=[1-9]'
	tool runs flows_remove >taker.runs
	# Every fifth request is lost behind the hooks: its length is that of no other segment.
	in_namespace server tc qdisc add dev veth0 clsact
	in_namespace server tc filter add dev veth0 ingress protocol ip u32 match u16 1452 0xffff at 2 \
		action pass random determ drop 5
	tool counters caller >lossy.client.before
	tool counters server >lossy.server.before
	tool requests caller 10.34.1.2 40002 server 10.34.2.2 5002 1400 200 0 30 >lossy.sent
	tool counters caller >lossy.client.after
	tool counters server >lossy.server.after
	finish first TERM
	await_traces
}

# What the kernel lacks: TCX demanded where there may be none, and nowhere to pin.
life_lacking() {
	add_namespace peer
	join veth0 peer 10.35.0
	show_traces >traces.before
	launch first demanding
	if has_hooks veth0 none; then
		reap first
	else
		await_line first.log 'agent started'
		finish first TERM
	fi
	mount -o remount,bind,ro /sys/fs/bpf
	show_ends before
	start second persistent
	talk peer 10.35.0
	finish second TERM
	show_ends after
	mount -o remount,bind,rw /sys/fs/bpf
	await_traces
}

# run_tests FILE…: tests of the repository, by the runtime inside the binary. Those of TCX only where there is TCX.
run_tests() {
	show_traces >traces.before
	pattern='.'
	if has_hooks lo none; then pattern='^(?!.*by tcx).*$'; fi
	here=$PWD
	code=0
	cd /test/tests
	BUN_BE_BUN=1 /test/mermin test --timeout 200000 -t "$pattern" "$@" >"$here/tests.log" 2>&1 || code=$?
	cd "$here"
	echo "$code" >tests.rc
	await_traces
}

life_reattach() {
	run_tests ./test/integration/reattach.test.ts
}

# Without those that take minutes here.
life_programs() {
	# Loaded by a test it would make devices of its own.
	modprobe ifb numifbs=0
	files=
	for file in /test/tests/test/bpf/*.test.ts; do
		case $file in
		*/overflow.test.ts | */truncation.test.ts | */tunnels-key.test.ts) ;;
		*) files="$files $file" ;;
		esac
	done
	# The files are words.
	# shellcheck disable=SC2086
	run_tests $files
}

# run_life NAME
run_life() {
	(
		set -ex
		"life_$1"
	) 2>life.log
	echo $? >life.rc
}
