# Lives in which agents have no easy successor: one of another layout, one whose reader stands still. In the words
# of lives.sh and steps.sh.
# shellcheck shell=sh source=test/kernels/guest/lives.sh

# signal NAME SIGNAL: what was started under that name.
signal() {
	kill "-$2" "$(cat "$1.pid")"
}

# make_pair SUBNET: the agent's namespace and another one, joined.
make_pair() {
	add_namespace peer
	add_cable root veth0 peer veth0
	add_address root veth0 "$1.1/24"
	add_address peer veth0 "$1.2/24"
}

# Datagrams go on while an agent is killed, one of another layout takes its places, and the first layout comes back.
life_upgraded() {
	make_pair 10.36.0
	show_traces >traces.before
	show_ends before
	start first persistent
	show_attachment first
	send datagrams datagrams root 10.36.0.1 40000 peer 10.36.0.2 5000 300 77 15 0
	await_told first 2
	finish first KILL
	await_more root Udp: 20
	start second persistent mermin-newer
	show_attachment second
	await_told second 2
	# All is counted while nothing moves: what the second told can be judged without the third.
	signal datagrams STOP
	finish second TERM
	show_ends second
	signal datagrams CONT
	await_more root Udp: 20
	start third persistent
	show_attachment third
	await_told third 2
	finish datagrams TERM
	finish third TERM
	show_ends after
	/test/mermin bpf list >list.txt 2>list.log
	/test/mermin-newer bpf prune >prune.txt 2>prune.log
	/test/mermin-newer bpf uninstall >uninstall.txt 2>uninstall.log
	await_traces
}

# statistic AGENT FIELD: its last value.
statistic() {
	sed -n "s/.* flow statistics .*\<$2=\([0-9]*\).*/\1/p" "$1.log" | tail -n 1
}

has_counted() {
	[ "$(statistic "$1" "$2")" -ge "$3" ]
}

# An agent whose reader stands still is killed when flows that it has not told come anew.
life_retold() {
	make_pair 10.37.0
	show_traces >traces.before
	show_ends before
	mkfifo first.ndjson
	cat first.ndjson >first.read &
	echo $! >reader.pid
	start first brief
	signal reader STOP
	tool spread root 10.37.0.1 40000 peer 10.37.0.2 5000 200 300
	await has_counted first records 200
	tool spread root 10.37.0.1 40000 peer 10.37.0.2 5000 200 300
	await has_counted first created 400
	finish first KILL
	signal reader CONT
	reap reader
	mv first.read first.ndjson
	start second brief
	tool spread root 10.37.0.1 40000 peer 10.37.0.2 5000 200 300
	await has_counted second active 0
	finish second TERM
	show_ends after
	/test/mermin bpf uninstall >uninstall.txt 2>uninstall.log
	await_traces
}

# What the kernel says of a listening socket's cgroup.
life_cgroups() {
	mount -t cgroup2 cgroups /sys/fs/cgroup
	mkdir -p /dev/shm
	run_tests ./test/integration/listener-cgroups.test.ts
	umount /sys/fs/cgroup
}
