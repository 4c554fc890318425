#!/bin/bash
# The stock kernel, from its first instruction to power-off: recorded under both clocks, with and
# without noise, on both processors; all recordings with noise differ from each other, and each
# replays without a difference on the processor that recorded it or on the other one. Two machines
# run at a time; a boot takes seconds on the software processor and most of a minute under Bochs.
#
# usage: tests/runs/linux.sh [BUILD] [--seeds N]    N noise seeds under each clock on each pair of
#                                                   processors; without it: a few of all
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/boots.sh"
seeds=0
[ "${2:-}" != --seeds ] || seeds=$3

fetch_kernels cloud
make_initrd

list_runs() {
    echo "software software cloud count none"
    echo "bochs software cloud count none"
    if [ "$seeds" = 0 ]; then
        echo "software bochs cloud count 1
            software software cloud count 2
            software software cloud host 3
            software software cloud host 4
            software bochs cloud host 5
            bochs software cloud host 6" | sed 's/^ *//'
        return
    fi
    local next=1 pair clock seed
    for pair in "software software" "bochs bochs" "software bochs" "bochs software"; do
        for clock in count host; do
            for seed in $(seq "$seeds"); do
                echo "$pair cloud $clock $next"
                next=$((next + 1))
            done
        done
    done
}

runs=$(list_runs)
boot_all <<<"$runs"

for name in $(tr ' ' - <<<"$runs"); do
    judge_boot linux "$name" 'hindvisor: userspace reached'
done

# All pairwise different: by the guest's position at injections, not by host time stamps.
fingerprint() { "$hindvisor" dump "$traces/$1" --kind injection 2>&1 | md5sum; }
noisy=$(grep -v none <<<"$runs" | tr ' ' -)
distinct=$(for run in $noisy; do fingerprint "$run"; done | sort -u | wc -l)
[ "$distinct" = "$(wc -w <<<"$noisy")" ]
result "linux-recordings-differ-from-each-other" $?

# Without noise both processors record the same run.
same=software-software-cloud-count-none
[ "$(fingerprint $same)" = "$(fingerprint bochs-software-cloud-count-none)" ]
result "linux-both-processors-record-the-same" $?

# Sizes: the issue's limits.
size() { stat -c %s "$traces/$same/$1"; }
[ "$(size inputs)" -le 65536 ]
result "linux-input-stream-at-most-64-KiB" $?
exits=$(sed -n 's/^exits: //p' "$traces/$same/manifest")
[ $(($(size inputs) + $(size observations))) -le $((6 * exits)) ]
result "linux-streams-at-most-6-bytes-an-exit" $?

exit $failed
