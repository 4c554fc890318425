#!/bin/bash
# A trace that was changed is never believed: a byte of a file is found by the sums; a record, an
# image or a position that was changed with all sums made right (tamper.c) is found by the replay,
# at the exit that was changed or the one after it.
#
# usage: tests/runs/tamper.sh [BUILD]
. "$(dirname "$0")/lib.sh"
tools=$build/tests
RANDOM=2026 # seeds it: the same bytes each time

# --- recordings that have something of everything -------------------------------------------------
# Without debug information the kernel is small enough to try each of its bytes.
mkdir -p "$work/guests/long"
for guest in preempt async_hlt uart long/many_blocks; do
    strip -o "$work/guests/$guest.elf" "$guests/$guest.elf"
done
guests=$work/guests
host=$work/host count=$work/count
must_record preempt "$host" --clock host --noise 3
must_record preempt "$count" --clock count --noise 3
must_record async_hlt "$work/hlt" --clock host --noise 5

# --- any byte -----------------------------------------------------------------------------------------
cp -r "$count" "$work/flipped"
"$tools/flip_bytes" "$work/flipped" || failed=1

# The same through the command, which must name the file and fail before it runs anything.
missed=0
for _ in $(seq 200); do
    files=("$work/flipped"/*)
    file=${files[RANDOM % ${#files[@]}]}
    size=$(stat -c %s "$file")
    at=$(((RANDOM << 15 | RANDOM) % size))
    byte=$(od -An -tu1 -j $at -N 1 "$file")
    change() { printf "\\x$(printf %02x "$1")" | dd of="$file" bs=1 seek=$at conv=notrunc status=none; }
    change $((byte ^ (1 << RANDOM % 8)))
    timeout 20 "$hindvisor" replay --quiet "$work/flipped" >"$work/out" 2>&1 </dev/null
    [ $? = 2 ] && grep -q "$(basename "$file")" "$work/out" ||
        { missed=$((missed + 1)); echo "byte $at of $file" >>"$work/missed"; cat "$work/out" >>"$work/missed"; }
    change "$byte"
done
result replay-refuses-200-random-bytes $missed "$work/missed"

# --- one field of one record, all sums right ---------------------------------------------------------------
# tampered NAME TRACE WORDS KIND NUMBER FIELD CHANGE: the replay must differ, and say where and why.
# `late` after WORDS: found by the state hash at the end of the block, not at once.
tampered() {
    local name=$1 trace=$2 words=$3 changed at said got good=1
    shift 3
    rm -rf "$work/copy"
    changed=$("$tools/tamper" "$trace" "$work/copy" "$@" 2>&1) || { echo "$changed" >"$work/out"; result "$name" 1 "$work/out"; return; }
    timeout -k 5 120 "$hindvisor" replay --quiet "$work/copy" >"$work/out" 2>&1 </dev/null
    got=$?
    at=$(sed -E 's/.* exit ([0-9]+) .*/\1/' <<<"$changed")
    said=$(sed -nE 's/^replay: different: .* at exit ([0-9]+) of.*/\1/p' "$work/out")
    [ $got = 1 ] && [ -n "$said" ] && [ "$said" -ge "$at" ] && grep -aq "${words%,*}" "$work/out" &&
        { [ "$said" -le $((at + 1)) ] || [ "${words##*,}" = late ]; } && good=0
    { echo "changed: $changed"; echo "exit status $got; wanted: \"$words\" at exit $at or the one after"; } >>"$work/out"
    result "$name" $good "$work/out"
}

for trace in host count; do
    for share in 3 50 98; do
        tampered "$trace-exit-reason-$share" "$work/$trace" "exit reason differs" exit $share% reason +1
        tampered "$trace-exit-position-$share" "$work/$trace" "guest count at the exit differs" exit $share% count +1
        tampered "$trace-exit-rip-$share" "$work/$trace" "RIP at the exit differs" exit $share% rip ^1
        tampered "$trace-exit-registers-$share" "$work/$trace" "registers at the exit differ" exit $share% check ^1
        tampered "$trace-exit-qualification-$share" "$work/$trace" "qualification differs" exit $share% qualification ^1
        tampered "$trace-exit-address-$share" "$work/$trace" "address accessed differs" exit $share% address ^4
        tampered "$trace-exit-value-$share" "$work/$trace" "value written or given differs" exit $share% value +1
        tampered "$trace-injection-later-$share" "$work/$trace" "injected event differs" injection $share% count +1
        tampered "$trace-injection-earlier-$share" "$work/$trace" "injected event differs" injection $share% count -1
        tampered "$trace-injection-vector-$share" "$work/$trace" "injected event differs" injection $share% info ^1
        for change in "source ^1" "vector ^1" "flags ^1" "lost +1" "late +1" "exit +1" "due +1" "due -1"; do
            # shellcheck disable=SC2086
            tampered "$trace-raise-${change// /}-$share" "$work/$trace" "request of an interrupt" raise $share% $change
        done
        tampered "$trace-timer-deadline-$share" "$work/$trace" "a timer set" timer $share% deadline +1
        tampered "$trace-stop-later-$share" "$work/$trace" "First difference" stop $share% count +1
        tampered "$trace-stop-earlier-$share" "$work/$trace" "First difference" stop $share% count -1
        tampered "$trace-stop-rip-$share" "$work/$trace" "position" stop $share% rip +1
        tampered "$trace-stop-rcx-$share" "$work/$trace" "position" stop $share% rcx +1
        tampered "$trace-arrival-later-$share" "$work/$trace" "First difference" arrival $share% count +1
        tampered "$trace-arrival-exit-$share" "$work/$trace" "First difference" arrival $share% exit +1
        tampered "$trace-arrival-value-$share" "$work/$trace" "First difference,late" arrival $share% value +1
        tampered "$trace-arrival-far-$share" "$work/$trace" "First difference,late" arrival $share% value +50000000
    done
    for field in cpu memory devices; do
        tampered "$trace-end-$field" "$work/$trace" "hash of" end 0 $field ^1
    done
    tampered "$trace-end-inputs" "$work/$trace" "inputs consumed" end 0 inputs ^1
    tampered "$trace-end-reason" "$work/$trace" "ends otherwise" end 0 reason +1
    tampered "$trace-end-detail" "$work/$trace" "ends otherwise" end 0 detail +1
    tampered "$trace-end-count" "$work/$trace" "ends otherwise" end 0 count +1
done
for share in 10 60; do
    tampered "clock-value-$share" "$work/hlt" "First difference,late" clock $share% value +1
    tampered "clock-far-$share" "$work/hlt" "First difference,late" clock $share% value +10000000
    tampered "clock-exit-$share" "$work/hlt" "another kind of input" clock $share% exit +1
    tampered "hlt-arrival-value-$share" "$work/hlt" "First difference,late" arrival $share% value +1
    tampered "hlt-injection-later-$share" "$work/hlt" "injected event differs" injection $share% count +1
done

must_record async_hlt "$work/idle" --clock count
tampered idle-until-50 "$work/idle" "time skipped in HLT" idle 50% until +1
# A trace of an older format is not believed to have all of these records.
rm -rf "$work/older" "$work/copy"
"$tools/tamper" "$count" "$work/copy" raise 50% due +1 >"$work/out" 2>&1
"$tools/tamper" "$work/copy" "$work/older" --version 2 >>"$work/out" 2>&1
expect older-format-replays-without-them 0 'replay: same' "$hindvisor" replay --quiet "$work/older"

# The hashes at a block's end need a run of more than one block.
must_record long/many_blocks "$work/blocks" --clock count
for field in cpu memory devices; do
    tampered "state-$field" "$work/blocks" "hash of" state 1 $field ^1
done
tampered state-inputs "$work/blocks" "inputs consumed" state 1 inputs ^1
tampered state-exit "$work/blocks" "First difference" state 1 exit +1

# A typed byte.
(sleep 2; printf 'hello there\n') | timeout 120 "$hindvisor" record --quiet --kernel "$guests/uart.elf" -o "$work/uart" \
    >"$work/record.out" 2>&1
tampered typed-byte "$work/uart" "First difference,late" arrival 50% value ^1

# An unchanged copy is the same: what the others found was the change, not the copying.
rm -rf "$work/copy"
"$tools/tamper" "$host" "$work/copy" exit 0 reason +0 >"$work/out" 2>&1
expect unchanged-copy-is-the-same 0 'replay: same' "$hindvisor" replay --quiet "$work/copy"

# --- the guest's image, its SHA-256 in the manifest made right as well ----------------------------------------
# A byte of code that the guest runs: in the middle of its text.
read -r offset size < <(readelf -SW "$count/kernel" | sed -nE 's/.* \.text +PROGBITS +[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+) .*/\1 \2/p')
at=$((0x$offset + 0x$size / 2))
cp "$count/kernel" "$work/other"
printf '\xcc' | dd of="$work/other" bs=1 seek=$at conv=notrunc status=none
cp -r "$count" "$work/other-image"
cp "$work/other" "$work/other-image/kernel"
expect other-kernel-is-refused 2 'kernel.*SHA-256' "$hindvisor" replay --quiet "$work/other-image"
rm -rf "$work/copy"
"$tools/tamper" "$count" "$work/copy" --kernel "$work/other" >"$work/out" 2>&1
expect other-kernel-with-its-sum-differs 1 'replay: different' "$hindvisor" replay --quiet "$work/copy"

exit $failed
