#!/bin/bash
# The stock kernel, from its first instruction to power-off: recorded under both clocks, with and
# without noise; all recordings differ from each other and each replays without a difference. Two
# machines run at a time; a boot takes about a minute.
#
# usage: tests/runs/linux.sh [BUILD] [--seeds N]    N noise seeds under each clock (1)
. "$(dirname "$0")/lib.sh"
seeds=1
[ "${2:-}" != --seeds ] || seeds=$3
traces=$work/traces
mkdir "$traces"

kernel=$("$root/tools/fetch-kernel" 2>"$work/out") || { result fetch-kernel 1 "$work/out"; exit 1; }
initrd=$work/initramfs.cpio.gz
"$root/tools/mkinitramfs" "$initrd" 2>"$work/out" || { result make-initramfs 1 "$work/out"; exit 1; }

# One recording and its replay; what came out of them is judged below, in order.
boot() { # CLOCK SEED
    local name=$1-$2 noise=
    [ "$2" = none ] || noise="--noise $2"
    # shellcheck disable=SC2086
    timeout -k 5 900 "$hindvisor" record --kernel "$kernel" --initrd "$initrd" --append console=ttyS0 --clock "$1" \
        $noise -o "$traces/$name" >"$traces/$name.console" 2>"$traces/$name.record" </dev/null
    echo $? >"$traces/$name.recorded"
    timeout -k 5 900 "$hindvisor" replay "$traces/$name" >"$traces/$name.again" 2>"$traces/$name.replay" </dev/null
    echo $? >"$traces/$name.replayed"
}
export -f boot
export hindvisor kernel initrd traces
runs=$(echo "count none"; for seed in $(seq 1 "$seeds"); do echo "count $seed"; echo "host $((seed + 1))"; done)
# shellcheck disable=SC2016
tr '\n' '\0' <<<"$runs" | xargs -0 -P 2 -I{} bash -c 'set -- {}; boot "$1" "$2"'

while read -r clock seed; do
    name=$clock-$seed at=$traces/$clock-$seed
    [ "$(cat "$at.recorded")" = 0 ] && grep -q 'recorded: the guest powered off' "$at.record" &&
        grep -aq 'hindvisor: userspace reached' "$at.console"
    result "linux-records-$name" $? "$at.console" "$at.record"
    [ "$(cat "$at.replayed")" = 0 ] && grep -q 'replay: same: .* 0 divergences' "$at.replay"
    result "linux-replays-$name" $? "$at.replay"
    cmp -s "$at.console" "$at.again"
    result "linux-console-$name-is-the-same-again" $? "$at.again"
    grep -E '^replay: ' "$at.replay" | sed 's/^/    /'
done <<<"$runs"

# All pairwise different: by the guest's position at the end, not by host time stamps.
fingerprint() { "$hindvisor" dump "$1" --kind injection 2>&1 | md5sum; }
distinct=$(while read -r clock seed; do fingerprint "$traces/$clock-$seed"; done <<<"$runs" | sort -u | wc -l)
[ "$distinct" = "$(wc -l <<<"$runs")" ]
result "linux-recordings-differ-from-each-other" $?

# Sizes: the issue's limits.
size() { stat -c %s "$traces/$1/$2"; }
[ "$(size count-none inputs)" -le 65536 ]
result "linux-input-stream-at-most-64-KiB" $?
exits=$(sed -n 's/^exits: //p' "$traces/count-none/manifest")
[ $(($(size count-none inputs) + $(size count-none observations))) -le $((6 * exits)) ]
result "linux-streams-at-most-6-bytes-an-exit" $?

exit $failed
