#!/bin/bash
# The scheduler as the trace tells it and as the guest's kernel counted it, in one run: Debian's
# cloud kernel with hackbench and cyclictest of its rt-tests, recorded on the software processor.
#
#   switches   /proc/stat and /proc/PID/status, exactly, since boot and in between
#   times      /proc/PID/schedstat, to a few us a switch
#   wakeups    the kernel's own sched events, one by one, and latencies to 1.5 us
#   lateness   each cycle of cyclictest, from the deadline that the kernel programmed, to 2 us; and
#              its histogram of another run, bucket by bucket
#
# What is left of the us is the code between the kernel's reading of its clock and the function
# that is hooked: a guest instruction takes 1 ns. Then what is kept beside the trace, shards, and
# guests without a Linux.
#
# usage: tests/runs/scheduler.sh [BUILD]
. "$(dirname "$0")/lib.sh"
unset HINDVISOR_PROCESSOR
trace=$work/trace cache=$work/trace/guest.cache

scheduler_guest

# run NAME TRACE OPTION...: records the workload, and compares what both sides say of it
run() {
    local name=$1 to=$2
    shift 2
    timeout -k 5 300 "$hindvisor" record --kernel "$kernel" --initrd "$work/initrd" \
        --append "console=ttyS0 quiet" "$@" -o "$to" >"$work/console" 2>"$work/out" </dev/null &&
        grep -q '^done' "$work/console"
    result "$name-records" $? "$work/console" "$work/out"
    expect "$name-has-a-scheduler-log" 0 '' "$hindvisor" analyze scheduler "$to" --show log --format csv
    cp "$work/out" "$work/events"
    "$hindvisor" analyze exits "$to" --show log --format csv >"$work/exits"
    awk -f "$root/tests/scheduler/compare.awk" events=1 "$work/events" events=0 exits=1 "$work/exits" \
        exits=0 "$work/console" >"$work/compared"
}

# compared NAME FACT LEAST [LOW HIGH]: so many were compared, none was wrong, all are within
compared() {
    awk -v fact="$2" -v least="$3" -v low="${4:-0}" -v high="${5:-0}" '
        $1 == fact { good = $2 >= least && $3 == 0 && $4 >= low && $5 <= high } END { exit !good }' "$work/compared"
    result "$1" $? "$work/compared"
}

# --- against the guest: under the host's clock and with noise, the counts; without, the times as well
run host-clock "$work/host" --clock host --noise 1
compared host-clock-switches-in-all-are-those-of-proc-stat ctxt 4
compared host-clock-switches-by-task-are-those-of-proc-status tasks 90
compared host-clock-no-reading-was-disturbed disturbed 0
rm -rf "$work/host"

run workload "$trace"
compared switches-in-all-are-those-of-proc-stat ctxt 4
compared switches-between-two-readings window 500
compared switches-by-task-are-those-of-proc-status tasks 90
compared no-reading-was-disturbed disturbed 0
compared run-times-are-those-of-schedstat run-a-switch 5 -3000 3000
compared waits-are-those-of-schedstat wait-a-switch 5 -8000 8000
compared events-are-those-of-the-guests-tracing traced 1000
compared switches-come-after-their-tracepoint switch-after-tracepoint 1000 0 1000
compared wakeups-come-before-their-tracepoint waking-after-function 1000 0 1000
compared wakeup-latencies-are-those-of-the-guests-tracing latency 500 0 1500
compared timer-lateness-is-that-of-cyclictest lateness 150 0 2000
compared timer-lateness-has-cyclictests-histogram histogram 200 -1000 3000

# --- sums, shards, the cache ------------------------------------------------------------------------
number() { sed -nE "s/.*\"$1\":([0-9]+).*/\1/p" "$2" | head -n 1; }
"$hindvisor" analyze scheduler "$trace" --format json >"$work/whole"
for state in boot tasks idle; do
    sed -nE "s/.*\"state\":\"$state\",\"guest_ns\":([0-9]+).*/\1/p" "$work/whole"
done >"$work/parts"
[ "$(wc -l <"$work/parts")" = 3 ] && [ "$(($(paste -sd+ "$work/parts")))" = "$(number guest_ns "$work/whole")" ]
result boot-tasks-and-idle-are-the-run $? "$work/parts" "$work/whole"

for show in timehist map log; do
    "$hindvisor" analyze scheduler "$trace" --show $show --format csv >"$work/rows" 2>"$work/out"
    "$hindvisor" analyze scheduler "$trace" --show $show --format json 2>>"$work/out" | grep -c '^{"time_ns":' >"$work/objects"
    # A range has the rows of its exits, and all ranges together have all.
    for part in "--to 199999" "--from 200000"; do
        # shellcheck disable=SC2086
        "$hindvisor" analyze scheduler "$trace" --show $show --format csv $part 2>>"$work/out" | tail -n +2
    done >"$work/ranges"
    [ "$(tail -n +2 "$work/rows" | wc -l)" = "$(cat "$work/objects")" ] && tail -n +2 "$work/rows" | cmp - "$work/ranges" >>"$work/out" 2>&1
    result "$show-in-json-csv-and-by-ranges" $? "$work/out" "$work/objects"
done

for i in 1 2 3 4 5; do
    "$hindvisor" analyze scheduler "$trace" --shard $i/5 --partial "$work/part.$i" >>"$work/out" 2>&1
done
"$hindvisor" merge --format json "$work"/part.[1-5] >"$work/merged" 2>>"$work/out"
cmp "$work/whole" "$work/merged" >>"$work/out" 2>&1
result merged-shards-are-the-whole $? "$work/out"

"$hindvisor" analyze exits "$trace" --by rip --rows 20 >"$work/whole-rip" 2>&1
grep -q ' io_serial_out+0x' "$work/whole-rip"
result exits-by-rip-name-functions-from-the-cache $? "$work/whole-rip"
grep -Eq ' io_serial_out\+0x[0-9a-f]+ +out dx, al ' "$work/whole-rip" && awk -f "$root/tests/runs/instructions.awk" "$work/exits" >"$work/out" &&
    [ "$(wc -l <"$work/out")" = 1 ] && [ "$(awk '{ print $2 }' "$work/out")" -gt 100000 ]
result instructions-explain-the-reasons-of-exits $? "$work/whole-rip" "$work/out"
for i in 1 2; do
    "$hindvisor" analyze exits "$trace" --by rip --shard $i/2 --partial "$work/rip.$i" >"$work/out" 2>&1
done
"$hindvisor" merge --rows 20 "$work"/rip.[12] >"$work/merged-rip" 2>>"$work/out"
cmp "$work/whole-rip" "$work/merged-rip" >>"$work/out" 2>&1
result merged-shards-name-them-as-well $? "$work/out"

# A damaged cache is made anew, the same to the byte.
cp "$cache" "$work/cache"
printf x | dd of="$cache" bs=1 seek=4000 conv=notrunc 2>/dev/null
"$hindvisor" analyze scheduler "$trace" --format json >"$work/again" 2>"$work/out"
cmp "$work/whole" "$work/again" >>"$work/out" 2>&1 && cmp "$work/cache" "$cache" >>"$work/out" 2>&1
result damaged-cache-is-made-anew $? "$work/out"
[ -z "$(find "$trace" -name '*.new')" ]
result nothing-unfinished-is-left $?

# --- exports ----------------------------------------------------------------------------------------
switches=$(grep -c ',switch,' "$work/events")
"$hindvisor" export --to ftrace "$trace" >"$work/ftrace" 2>"$work/out"
[ "$(grep -c ': sched_switch: ' "$work/ftrace")" = "$switches" ]
result export-has-every-switch $? "$work/out"

# --- guests without a Linux -------------------------------------------------------------------------
must_record async_user "$work/other"
expect unknown-kernel-is-said 2 'no scheduler|no symbol table' "$hindvisor" analyze scheduler "$work/other"
expect unknown-kernel-is-remembered 2 'no scheduler|no symbol table' "$hindvisor" analyze scheduler "$work/other"
[ -e "$work/other/guest.cache" ]
result unknown-kernel-has-a-cache $?
expect unknown-kernel-has-exits 0 'Exits' "$hindvisor" analyze exits "$work/other"
cp "$work/cache" "$work/other/guest.cache"
expect foreign-cache-is-ignored 2 'no scheduler|no symbol table' "$hindvisor" analyze scheduler "$work/other"

exit $failed
