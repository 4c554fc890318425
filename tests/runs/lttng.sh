#!/bin/bash
# The LTTng-UST plug-in under a session daemon of this test's own: as many events as the trace has
# records, when recording and when replaying; and what --lttng says where it cannot work.
#
# usage: tests/runs/lttng.sh [BUILD]
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# A command without the plug-in beside it.
mkdir "$work/bin"
cp "$hindvisor" "$work/bin/"
expect without-the-plug-in 2 'needs the plug-in hindvisor-lttng.so.*liblttng-ust-dev' \
    "$work/bin/hindvisor" record --lttng --kernel "$guests/timers.elf" -o "$work/none"
[ ! -e "$work/none" ]; result no-trace-is-left $?
echo "no shared object" >"$work/bin/hindvisor-lttng.so"
expect a-broken-plug-in 2 '--lttng: .*hindvisor-lttng.so' \
    "$work/bin/hindvisor" record --lttng --kernel "$guests/timers.elf" -o "$work/none"

if ! [ -e "$build/hindvisor-lttng.so" ] || ! command -v lttng-sessiond babeltrace2 >/dev/null; then
    echo "skip lttng (needs liblttng-ust-dev when building, lttng-tools and babeltrace2)"
    exit $failed
fi
# As root there is one daemon for the machine: it may be there already.
export LTTNG_HOME=$work/lttng
mkdir "$LTTNG_HOME"
daemon=
if ! lttng --no-sessiond list >/dev/null 2>&1; then
    lttng-sessiond --daemonize --no-kernel --pidfile="$work/daemon.pid" >"$work/daemon.out" 2>&1
    result session-daemon $? "$work/daemon.out"
    daemon=$(cat "$work/daemon.pid" 2>/dev/null)
fi
session=hindvisor-test-$$
end() {
    lttng --no-sessiond destroy "$session" >/dev/null 2>&1
    [ -z "$daemon" ] || kill "$daemon" 2>/dev/null
    rm -rf "$work"
}
trap end EXIT

# traced NAME COMMAND...: its events go to $work/NAME.txt. No event may be lost: who traces waits.
traced() {
    local name=$1 status
    shift
    {
        lttng --no-sessiond create "$session" --output="$work/$name.ctf" &&
            lttng --no-sessiond enable-channel --userspace --subbuf-size=1M --num-subbuf=4 --blocking-timeout=inf all &&
            lttng --no-sessiond enable-event --userspace --channel=all 'hindvisor:*' &&
            lttng --no-sessiond start
    } >"$work/out" 2>&1 || return 1
    LTTNG_UST_REGISTER_TIMEOUT=-1 LTTNG_UST_ALLOW_BLOCKING=1 timeout -k 5 300 "$@" >>"$work/out" 2>&1 </dev/null
    status=$?
    lttng --no-sessiond destroy "$session" >>"$work/out" 2>&1
    babeltrace2 "$work/$name.ctf" >"$work/$name.txt" 2>>"$work/out"
    return $status
}
# Kinds of events and how many of each, without those that are made from exits.
counts() { sed -E 's/.* hindvisor:([a-z]+): .*/\1/' "$1" | grep -vE '^(entry|pio|mmio)$' | LC_ALL=C sort | uniq -c; }
events() { grep -c " hindvisor:$1: " "$2"; }

traced record "$hindvisor" record --lttng --quiet --kernel "$guests/pc_timers.elf" -o "$work/trace"
result record $? "$work/out"
"$hindvisor" dump --format json "$work/trace" >"$work/dump.json"
sed -E 's/^\{"kind":"([a-z]+)".*/\1/' "$work/dump.json" | LC_ALL=C sort | uniq -c >"$work/expected"
counts "$work/record.txt" >"$work/got"
[ -s "$work/expected" ] && diff "$work/expected" "$work/got" >"$work/differs"
result record-shows-each-record-once $? "$work/differs"
exits=$(grep -c '"kind":"exit"' "$work/dump.json")
around=$(grep -c '"kind":"exit".*"flags":1[,}]' "$work/dump.json")
[ "$(events entry "$work/record.txt")" = $((exits - 1 - around)) ]; result entries $?
[ "$(events pio "$work/record.txt")" = "$(grep -c '"reason_name":"IO_INSTRUCTION"' "$work/dump.json")" ]; result port-accesses $?
[ "$(events mmio "$work/record.txt")" = "$(grep -c '"reason_name":"EPT_VIOLATION"' "$work/dump.json")" ]; result device-memory-accesses $?
# The first exit's values, the last exit's number, and words for reasons.
value=$(sed -nE '/"kind":"exit"/{s/.*"count":([0-9]+),.*/\1/p;q}' "$work/dump.json")
grep -m1 ' hindvisor:exit: ' "$work/record.txt" >"$work/line"
grep -q "number = 0,.*count = $value," "$work/line"; result values $? "$work/line"
grep ' hindvisor:exit: ' "$work/record.txt" | tail -n 1 >"$work/line"
grep -q "number = $((exits - 1))," "$work/line"; result numbers $? "$work/line"
grep -q 'reason = ( "HLT" : container = 12 )' "$work/record.txt"; result reasons-have-names $?

traced replay "$hindvisor" replay --lttng --processor software --quiet "$work/trace"
result replay $? "$work/out"
counts "$work/replay.txt" >"$work/got"
diff "$work/expected" "$work/got" >"$work/differs"
result replay-shows-each-record-once $? "$work/differs"

expect without-a-session 0 '' env LTTNG_UST_REGISTER_TIMEOUT=0 "$hindvisor" record --lttng --quiet --kernel "$guests/timers.elf" -o "$work/unwatched"
expect not-without-records 2 'no meaning' "$hindvisor" record --lttng --no-record --kernel "$guests/timers.elf"
expect replay-in-this-process-only 2 'processor software' "$hindvisor" replay --lttng --processor bochs "$work/trace"

exit $failed
