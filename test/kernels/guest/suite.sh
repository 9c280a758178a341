# Runs every scenario of /test/scenarios in order. Judges nothing: what was seen goes to /results,
# and the host compares. Ends with 0 when the suite itself ran to its end. Run by dash: busybox's shell
# would take its own ip and tc before the real ones.
# shellcheck shell=sh source=test/kernels/guest/steps.sh
. /test/steps.sh

# A scenario that hangs must not take the others with it. On a busy machine the tests of the programs take 220.
SCENARIO_SECONDS=600

# A sign of life on the console: without it the host takes the guest for one that hangs.
while sleep 10; do echo "guest: lives"; done &

uname -r >/results/release
sysctl -q -w net.core.fb_tunnels_only_for_init_net=2
quiet_namespace
modprobe bonding max_bonds=0

NO_COLOR=1 /test/mermin version >/results/version 2>/results/version.log
echo $? >/results/version.rc

for scenario in /test/scenarios/*.sh; do
	name=$(basename "$scenario" .sh)
	mkdir -p "/results/$name"
	cd "/results/$name" || exit 1
	begin=$(cut -d ' ' -f 1 /proc/uptime)
	echo "guest: begins $name"
	timeout -s KILL "$SCENARIO_SECONDS" dash -c ". /test/steps.sh; name=$name; . $scenario; run_scenario" ||
		echo "$SCENARIO_SECONDS" >cut_short
	remove_everything
	echo "guest: $name, $begin s to $(cut -d ' ' -f 1 /proc/uptime) s"
done
dmesg >/results/dmesg
exit 0
