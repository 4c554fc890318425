#!/bin/bash
# A recording that is killed at any moment keeps all its whole blocks: repaired, the trace replays
# up to its last block, and no chunk that the image had completed is lost.
#
# usage: tests/runs/kill.sh [BUILD]
. "$(dirname "$0")/lib.sh"
times=${KILLS:-20}
RANDOM=77 # seeds it

# How long a whole recording takes here and now; the moments are spread over it.
began=${EPOCHREALTIME/./}
must_record long/many_blocks "$work/whole"
length=$(((${EPOCHREALTIME/./} - began) / 1000))
blocks=$(sed -n 's/^chunks: //p' "$work/whole/manifest")
echo "    whole: $length ms, $blocks blocks"

manifest() { sed -n "s/^$2: //p" "$1/manifest"; }

for i in $(seq "$times"); do
    trace=$work/killed-$i
    moment=$(((i - 1) * length / times + RANDOM * length / times / 32768))
    "$hindvisor" record --quiet --kernel "$guests/long/many_blocks.elf" -o "$trace" >"$work/record.out" 2>&1 </dev/null &
    process=$!
    sleep $((moment / 1000)).$(printf %03d $((moment % 1000)))
    # Every third time the command falls behind first, so that blocks wait on the trace disk.
    [ $((i % 3)) != 0 ] || { kill -STOP $process 2>/dev/null; sleep 1.5; }
    kill -9 $process 2>/dev/null || { wait $process; echo "skip kill-$i (it had ended after $moment ms)"; continue; }
    wait $process 2>/dev/null
    name=kill-$i
    if [ ! -e "$trace/manifest" ]; then
        [ ! -e "$trace" ] || [ -z "$(ls "$trace" | grep -v -e kernel -e '\.')" ]
        result "$name-before-there-was-a-trace" $?
        continue
    fi
    # What the image had completed, counted by other means: blocks in the trace, chunks on the disk.
    whole=$("$hindvisor" info "$trace" 2>/dev/null | awk '$1 == "observations" { print $3 }')
    waiting=$("$build/tests/disk_chunks" "$trace/disk") || waiting=1000
    complete=$((whole > waiting ? whole : waiting))
    timeout 60 "$hindvisor" repair "$trace" >"$work/repair.out" 2>&1
    repaired=$?
    kept=$(manifest "$trace" chunks)
    { [ $repaired = 0 ] || [ $repaired = 1 ]; } && [ "${kept:-0}" -ge "$complete" ] && [ "${kept:-0}" -le "$blocks" ]
    good=$?
    { echo "(exit status $repaired; $complete blocks were complete, kept: $kept)"; ls -la "$trace"; } >>"$work/repair.out"
    result "$name-keeps-whole-blocks" $good "$work/repair.out"
    echo "    after $moment ms: $complete blocks"
    if [ "${kept:-0}" = 0 ]; then
        expect "$name-has-nothing-to-replay" 2 'nothing to replay|no whole block' "$hindvisor" replay --quiet "$trace"
    else
        expect "$name-replays" 0 'replay: same: .* 0 divergences' "$hindvisor" replay --quiet "$trace"
    fi
    rm -rf "$trace"
done
exit $failed
