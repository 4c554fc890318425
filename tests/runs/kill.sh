#!/bin/bash
# A recording that is killed at any moment keeps all its whole blocks: repaired, the trace replays
# up to its last block, and no chunk that the image had completed is lost.
#
# usage: tests/runs/kill.sh [BUILD]
. "$(dirname "$0")/lib.sh"
RANDOM=77 # seeds it
guest=$guests/long/many_blocks.elf

manifest() { sed -n "s/^$2: //p" "$1/manifest"; }

# killed NAME MOMENT: a recording that lives for MOMENT ms
killed() {
    local name=$1 moment=$2 trace=$work/$1 process whole waiting complete kept repaired good
    "$hindvisor" record --quiet --kernel "$guest" -o "$trace" >"$work/record.out" 2>&1 </dev/null &
    process=$!
    sleep $((moment / 1000)).$(printf %03d $((moment % 1000)))
    # Every third time the command falls behind its carrier, so that blocks wait on the trace disk.
    [ "$HINDVISOR_PROCESSOR" = software ] || [ $((moment % 3)) != 0 ] ||
        { kill -STOP $process 2>/dev/null; sleep 1.5; }
    if ! kill -9 $process 2>/dev/null; then # it had ended: the machine is faster now
        wait $process
        rm -rf "$trace"
        killed "$name" $((moment * 3 / 4))
        return
    fi
    wait $process 2>/dev/null
    if [ ! -e "$trace/manifest" ]; then
        [ ! -s "$trace/inputs" ] && [ ! -s "$trace/observations" ] # nothing was recorded yet
        result "$name-before-there-was-a-trace" $?
        return
    fi
    # What was completed, counted by other means: blocks in the trace, chunks on the disk.
    whole=$("$hindvisor" info "$trace" 2>/dev/null | awk '$1 == "observations" { print $3 }')
    waiting=0
    [ ! -e "$trace/disk" ] || waiting=$("$build/tests/disk_chunks" "$trace/disk") || waiting=1000
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
}

# kills PROCESSOR TIMES: the moments are spread over the time that a whole recording takes here and now
kills() {
    local began length i
    export HINDVISOR_PROCESSOR=$1
    began=${EPOCHREALTIME/./}
    must_record long/many_blocks "$work/whole-$1"
    length=$(((${EPOCHREALTIME/./} - began) / 1000))
    blocks=$(manifest "$work/whole-$1" chunks)
    echo "    whole: $length ms, $blocks blocks"
    for i in $(seq "$2"); do
        killed "kill-$1-$i" $(((i - 1) * length / $2 + RANDOM * length / $2 / 32768))
    done
}

kills software 20
kills bochs "${KILLS:-8}"
exit $failed
