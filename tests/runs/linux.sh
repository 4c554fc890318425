#!/bin/bash
# The stock kernel, from its first instruction to power-off: recorded under both clocks, with and
# without noise, on both processors; all recordings with noise differ from each other, and each
# replays without a difference on the processor that recorded it or on the other one. Two machines
# run at a time; a boot takes seconds on the software processor and most of a minute under Bochs.
#
# usage: tests/runs/linux.sh [BUILD] [--seeds N]    N noise seeds under each clock on each pair of
#                                                   processors; without it: a few of all
. "$(dirname "$0")/lib.sh"
seeds=0
[ "${2:-}" != --seeds ] || seeds=$3
traces=$work/traces
mkdir "$traces"

kernel=$("$root/tools/fetch-kernel" 2>"$work/out") || { result fetch-kernel 1 "$work/out"; exit 1; }
initrd=$work/initramfs.cpio.gz
"$root/tools/mkinitramfs" "$initrd" 2>"$work/out" || { result make-initramfs 1 "$work/out"; exit 1; }

# lines: RECORDER REPLAYER CLOCK SEED
list_runs() {
    echo "software software count none"
    echo "bochs software count none"
    if [ "$seeds" = 0 ]; then
        echo "software bochs count 1
            software software count 2
            software software host 3
            software software host 4
            software bochs host 5
            bochs software host 6" | sed 's/^ *//'
        return
    fi
    local next=1 pair clock seed
    for pair in "software software" "bochs bochs" "software bochs" "bochs software"; do
        for clock in count host; do
            for seed in $(seq "$seeds"); do
                echo "$pair $clock $next"
                next=$((next + 1))
            done
        done
    done
}

# One recording and its replay; what came out of them is judged below, in order.
boot() { # RECORDER REPLAYER CLOCK SEED
    local at=$traces/$1-$2-$3-$4 noise=
    [ "$4" = none ] || noise="--noise $4"
    # shellcheck disable=SC2086
    timeout -k 5 900 "$hindvisor" record --processor "$1" --kernel "$kernel" --initrd "$initrd" --append console=ttyS0 \
        --clock "$3" $noise -o "$at" >"$at.console" 2>"$at.record" </dev/null
    echo $? >"$at.recorded"
    timeout -k 5 900 "$hindvisor" replay --processor "$2" "$at" >"$at.again" 2>"$at.replay" </dev/null
    echo $? >"$at.replayed"
}
export -f boot
export hindvisor kernel initrd traces
runs=$(list_runs)
# shellcheck disable=SC2016
tr '\n' '\0' <<<"$runs" | xargs -0 -P 2 -I{} bash -c 'set -- {}; boot "$@"'

while read -r recorder replayer clock seed; do
    name=$recorder-$replayer-$clock-$seed at=$traces/$recorder-$replayer-$clock-$seed
    [ "$(cat "$at.recorded")" = 0 ] && grep -q 'recorded: the guest powered off' "$at.record" &&
        grep -aq 'hindvisor: userspace reached' "$at.console"
    result "linux-records-$name" $? "$at.console" "$at.record"
    [ "$(cat "$at.replayed")" = 0 ] && grep -q 'replay: same: .* 0 divergences' "$at.replay"
    result "linux-replays-$name" $? "$at.replay"
    cmp -s "$at.console" "$at.again"
    result "linux-console-$name-is-the-same-again" $? "$at.again"
    grep -E '^replay: ' "$at.replay" | sed 's/^/    /'
done <<<"$runs"

# All pairwise different: by the guest's position at injections, not by host time stamps.
fingerprint() { "$hindvisor" dump "$traces/$1" --kind injection 2>&1 | md5sum; }
noisy=$(grep -v none <<<"$runs" | tr ' ' -)
distinct=$(for run in $noisy; do fingerprint "$run"; done | sort -u | wc -l)
[ "$distinct" = "$(wc -w <<<"$noisy")" ]
result "linux-recordings-differ-from-each-other" $?

# Without noise both processors record the same run.
same=software-software-count-none
[ "$(fingerprint $same)" = "$(fingerprint bochs-software-count-none)" ]
result "linux-both-processors-record-the-same" $?

# Sizes: the issue's limits.
size() { stat -c %s "$traces/$same/$1"; }
[ "$(size inputs)" -le 65536 ]
result "linux-input-stream-at-most-64-KiB" $?
exits=$(sed -n 's/^exits: //p' "$traces/$same/manifest")
[ $(($(size inputs) + $(size observations))) -le $((6 * exits)) ]
result "linux-streams-at-most-6-bytes-an-exit" $?

exit $failed
