#!/bin/bash
# Exports of a recorded guest, read back by the formats' own tools: babeltrace2, sqlite3, protoc and a
# decoder of ours must see as many events as `hindvisor dump` prints, and the same values. The exit
# status on damaged traces, too.
#
# usage: tests/runs/export.sh [BUILD]
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

trace=$work/trace
must_record pc_timers "$trace"
export_to() { timeout -k 5 120 "$hindvisor" export --to "$1" -o "$work/$1" "$trace" >"$work/out" 2>&1; }
same() { # NAME EXPECTED GOT
    [ "$2" = "$3" ] && [ -n "$2" ] || { printf 'expected:\n%s\ngot:\n%s\n' "$2" "$3" | cut -c1-200 | head -40 >"$work/differs"; result "$1" 1 "$work/differs"; return; }
    result "$1" 0
}

"$hindvisor" dump --format json "$trace" >"$work/dump.json"
kinds=$(sed -E 's/^\{"kind":"([a-z]+)".*/\1/' "$work/dump.json" | LC_ALL=C sort | uniq -c | awk '{ print $2, $1 }')
count_of() { awk -v kind="$1" '$1 == kind { n = $2 } END { print n + 0 }' <<<"$kinds"; }
exits=$(count_of exit)
# An entry after each exit but the last, and but where a halted vCPU only looked around.
entries=$((exits - 1 - $(grep -c '"kind":"exit".*"flags":1[,}]' "$work/dump.json")))
# The exits' numbers, one exit a line: reason, count, rip, qualification, value, both TSCs
numbers() { sed -nE 's/.*"kind":"exit".*"reason":([0-9]+),.*"count":([0-9]+),"rip":([0-9]+),"qualification":([0-9]+),.*"value":([0-9]+),"tsc_exit":([0-9]+),"tsc_entry":([0-9]+).*/\1 \2 \3 \4 \5 \6 \7/p' "$work/dump.json"; }

# Handlers of interrupts, by `analyze`: those that began, and those that an EOI ended. The timer's are
# told apart by their vector only in exports.
injected() { sed -nE "/\"$1\"/s/.*\"injected\":([0-9]+),.*/\1/p" "$work/interrupts.json"; } # of rows with that cell
analyzed() { # TRACE
    "$hindvisor" analyze interrupts --format json "$1" >"$work/interrupts.json" 2>"$work/out"
    echo "$(injected external | awk '{ sum += $1 } END { print sum + 0 }')" \
        "$(sed -nE 's/.*"injected":[0-9]+,"eois":([0-9]+),"unmatched".*/\1/p' "$work/interrupts.json")"
}
handlers=$(analyzed "$trace")
is_handler='(x86_irq_vectors_)?(irq_handler|local_timer)_(entry|exit)'
count_handlers() { # FILE: of text with event names
    echo "$(grep -cE '(irq_handler|local_timer)_entry: ' "$1") $(grep -cE '(irq_handler|local_timer)_exit: ' "$1")"
}

# --- CTF ---------------------------------------------------------------------------------------------
export_to ctf; result ctf $? "$work/out"
babeltrace2 --no-delta --clock-seconds "$work/ctf" >"$work/ctf.txt" 2>"$work/err"
result babeltrace2-reads-it $? "$work/err"
[ ! -s "$work/err" ]; result babeltrace2-has-no-complaint $? "$work/err"
# Back from its event names to the kinds.
names=$(sed -E 's/^\[[^]]*\] ([a-z0-9_]+): .*/\1/; s/kvm_x86_inj_.*/hindvisor_injection/; s/kvm_x86_exit/hindvisor_exit/; s/hindvisor_//' "$work/ctf.txt" |
    LC_ALL=C sort | uniq -c | awk '{ print $2, $1 }')
same babeltrace2-counts-each-kind "$(printf '%s\nkvm_x86_entry %s' "$kinds" $entries | LC_ALL=C sort)" \
    "$(grep -vE "^$is_handler " <<<"$names")"
[ "${handlers% *}" -gt 10 ] && [ "${handlers#* }" -gt 10 ]; result handlers-are-there $? "$work/interrupts.json"
same babeltrace2-counts-handlers "$handlers" "$(count_handlers "$work/ctf.txt")"
ctf_numbers() {
    sed -nE 's/.*kvm_x86_exit: .*container = ([0-9]+) \),.* count = ([0-9]+), guest_rip = (0x[0-9A-F]+), info1 = (0x[0-9A-F]+), .* value = (0x[0-9A-F]+), tsc_exit = ([0-9]+), tsc_entry = ([0-9]+),.*/\1 \2 \3 \4 \5 \6 \7/p' "$work/ctf.txt" |
        while read -r a b c d e f g; do printf '%d %d %u %u %u %d %d\n' "$a" "$b" "$c" "$d" "$e" "$f" "$g"; done
}
same babeltrace2-sees-the-values "$(numbers | sed -n '1,300p')" "$(ctf_numbers | sed -n '1,300p')"

# --- SQLite ------------------------------------------------------------------------------------------
export_to sqlite; result sqlite $? "$work/out"
same sqlite3-finds-it-whole ok "$(sqlite3 "$work/sqlite" 'PRAGMA integrity_check' 2>&1)"
counted=$(for kind in $(cut -d' ' -f1 <<<"$kinds"); do
    echo "$kind $(sqlite3 "$work/sqlite" "SELECT count(*) FROM ${kind}s")"
done | awk '$2' | LC_ALL=C sort)
same sqlite3-counts-each-kind "$kinds" "$counted"
sql="SELECT reason || ' ' || count || ' ' || printf('%u', rip) || ' ' || printf('%u', qualification) || ' ' || printf('%u', value) || ' ' || tsc_exit || ' ' || tsc_entry FROM exits ORDER BY exit"
# SQLite's printf has no unsigned format of 64 bits: hexadecimal, then.
sql=${sql//%u/0x%llx}
same sqlite3-sees-the-values "$(numbers)" "$(sqlite3 "$work/sqlite" "$sql" | while read -r a b c d e f g; do printf '%d %d %u %u %u %d %d\n' "$a" "$b" "$c" "$d" "$e" "$f" "$g"; done)"
same sqlite3-view-adds-up "$exits" "$(sqlite3 "$work/sqlite" 'SELECT sum(samples) FROM exits_by_reason')"
handlers_in() { sqlite3 "$1" "SELECT count(*) FILTER (WHERE event LIKE '%entry') || ' ' || count(*) FILTER (WHERE event LIKE '%exit') FROM interrupt_handlers"; }
same sqlite3-counts-handlers "$handlers" "$(handlers_in "$work/sqlite")"
# An entry is at its injection, an exit at its EOI: the same ns, on average, as `analyze` has.
same sqlite3-handlers-take-as-long \
    "$(grep -oE '"time_ns":[0-9]+' "$work/interrupts.json" | awk -F: '{ sum += $2 } END { print sum }')" \
    "$(sqlite3 "$work/sqlite" "SELECT sum(CASE WHEN event LIKE '%exit' THEN guest_ns ELSE -guest_ns END) FROM interrupt_handlers")"
# Guest time is what the guest was told by RDTSC.
same guest-time-is-the-guests 0 "$(sqlite3 "$work/sqlite" "SELECT count(*) FROM exits WHERE reason IN (16, 51) AND value <> guest_ns")"
same guest-time-ends-at-the-manifests "$(sed -n 's/^guest-ns: //p' "$trace/manifest")" \
    "$(sqlite3 "$work/sqlite" 'SELECT guest_ns FROM ends')"

# --- Perfetto ----------------------------------------------------------------------------------------
export_to perfetto; result perfetto $? "$work/out"
protoc --decode_raw <"$work/perfetto" >"$work/perfetto.txt" 2>"$work/err"
result protoc-decodes-it $? "$work/err"
read -r _ _ _ _ _ _ _ slices _ ended _ instants _ counters _ ftrace _ <<<"$("$build/tests/perfetto_counts" <"$work/perfetto")"
same perfetto-slices "$((entries + 1)) $((entries + 1))" "$slices $ended"
same perfetto-instants $(($(wc -l <"$work/dump.json") - slices)) "$instants"
same perfetto-counters "$exits" "$counters"
same perfetto-counts-handlers $((${handlers/ / + })) "$ftrace"

# --- text --------------------------------------------------------------------------------------------
export_to csv; result csv $? "$work/out"
same csv-counts-each-kind "$kinds" "$(for file in "$work"/csv/*.csv; do echo "$(basename "$file" .csv) $(($(wc -l <"$file") - 1))"; done | awk '$2' | grep -vE "^$is_handler " | LC_ALL=C sort)"
for edge in entry exit; do
    echo $(($(cat "$work"/csv/{irq_handler,local_timer}_$edge.csv | wc -l) - 2))
done >"$work/counted"
same csv-counts-handlers "$handlers" "$(paste -sd' ' "$work/counted")"
export_to ftrace; result ftrace $? "$work/out"
same ftrace-counts "$exits $entries" "$(grep -c ': kvm_exit: ' "$work/ftrace") $(grep -c ': kvm_entry: ' "$work/ftrace")"
same ftrace-counts-handlers "$handlers" "$(count_handlers "$work/ftrace")"
export_to folded; result folded $? "$work/out"
same folded-weighs-all "$(numbers | awk '{ sum += $7 > $6 ? $7 - $6 : 0 } END { print sum }')" "$(awk '{ sum += $NF } END { print sum }' "$work/folded")"
same stdout-is-the-same-as-a-file "$(cksum <"$work/folded")" "$("$hindvisor" export --to folded "$trace" | cksum)"
same from-and-to 10 "$("$hindvisor" export --to ftrace --from 10 --to 19 "$trace" | grep -c kvm_exit)"

# --- clock policy `host` -------------------------------------------------------------------------------
# Where the clock was read guest time is what was read (to a millisecond: machines are busy), and it
# never goes back.
must_record pc_timers "$work/host" --clock host
"$hindvisor" export --to sqlite -o "$work/host.db" "$work/host" >"$work/out" 2>&1
result host-clock $? "$work/out"
same host-clock-is-what-was-read 0 "$(sqlite3 "$work/host.db" "SELECT count(*) FROM exits e JOIN clocks c USING(exit) WHERE e.reason = 16 AND e.guest_ns NOT BETWEEN c.value - 1000000 AND c.value + 1000000")"
"$hindvisor" export --to ctf -o "$work/host.ctf" "$work/host" && babeltrace2 "$work/host.ctf" >"$work/host.txt" 2>"$work/err"
[ ! -s "$work/err" ] && [ "$(grep -c kvm_x86_exit "$work/host.txt")" = "$(sqlite3 "$work/host.db" 'SELECT count(*) FROM exits')" ]
result host-clock-babeltrace2 $? "$work/err"

# --- the guest's kernel --------------------------------------------------------------------------------
. "$root/tests/runs/boots.sh"
fetch_kernels cloud
make_initrd
trace=$work/linux
"$hindvisor" record --quiet --processor software --kernel "$(cat "$work/kernel-cloud")" --initrd "$work/initrd" --append "console=ttyS0 panic=-1" -o "$trace" >"$work/record.out" 2>&1 </dev/null
result linux-recording $? "$work/record.out"
for format in sqlite perfetto ctf folded; do
    timeout -k 5 120 "$hindvisor" export --scheduler --to $format -o "$work/linux.$format" "$trace" >"$work/out" 2>&1
    result "scheduler-$format" $? "$work/out"
done
sql() { sqlite3 "$work/linux.sqlite" "$1"; }
switches=$(sql 'SELECT count(*) FROM sched_switch')
wakings=$(sql 'SELECT count(*) FROM sched_waking')
[ "$switches" -gt 100 ] && [ "$wakings" -gt 100 ]; result scheduler-events $?
# Whoever leaves the CPU is who came before.
same scheduler-switches-chain 0 "$(sql 'SELECT sum(prev_pid <> before) FROM (SELECT prev_pid, lag(next_pid) OVER (ORDER BY id) AS before FROM sched_switch)')"
same scheduler-events-are-between-their-exits 0 "$(sql 'SELECT count(*) FROM sched_switch s WHERE guest_ns < (SELECT guest_ns FROM exits WHERE exit = s.exit)')"
babeltrace2 "$work/linux.ctf" >"$work/linux.txt" 2>"$work/err"
same scheduler-babeltrace2 "$switches $wakings" "$(grep -c ' sched_switch: ' "$work/linux.txt") $(grep -c ' sched_waking: ' "$work/linux.txt")"
others=$(($(sql 'SELECT count(*) FROM sched_wakeup_new') + $(sql 'SELECT count(*) FROM sched_process_exit')))
counts=$("$build/tests/perfetto_counts" <"$work/linux.perfetto")
handlers=$(analyzed "$trace")
same scheduler-handlers "$handlers" "$(handlers_in "$work/linux.sqlite")"
same scheduler-babeltrace2-counts-handlers "$handlers" "$(count_handlers "$work/linux.txt")"
timer=$(injected 0xec)
same local-timer-is-linuxs-vector "$timer 236" "$(sql "SELECT count(*) || ' ' || max(vector) FROM local_timer_entry")"
same perfetto-names-generic-events "$timer $timer" \
    "$(protoc --decode_raw <"$work/linux.perfetto" | awk '/1: "local_timer_entry"/ { n++ } /1: "local_timer_exit"/ { m++ } END { print n + 0, m + 0 }')"
same uart-has-its-line "4 uart" "$(sql "SELECT DISTINCT irq || ' ' || name FROM irq_handler_entry")"
same scheduler-perfetto $((switches + wakings + others + ${handlers/ / + })) "$(sed -E 's/.* ftrace ([0-9]+) .*/\1/' <<<"$counts")"
grep -q '^IO_INSTRUCTION;io_serial_' "$work/linux.folded"; result folded-stacks-have-symbols $?
expect scheduler-of-no-linux 2 'hindvisor export: ' "$hindvisor" export --scheduler --to ctf -o "$work/no-linux" "$work/host"

# --- trouble -----------------------------------------------------------------------------------------
trace=$work/trace
expect no-format 2 'name a format' "$hindvisor" export "$trace"
expect unknown-format 2 'neither a format' "$hindvisor" export --to otf "$trace"
expect directory-needs-a-name 2 '-o' "$hindvisor" export --to ctf "$trace"
expect existing-path 2 'already' "$hindvisor" export --to ctf -o "$work/ctf" "$trace"
expect no-such-place 2 'No such file' "$hindvisor" export --to csv -o "$work/none/csv" "$trace"
expect full-disk 2 'No space' bash -c "'$hindvisor' export --to ftrace '$trace' >/dev/full"
for format in ctf perfetto sqlite csv folded ftrace; do
    (ulimit -f 4; "$hindvisor" export --to $format -o "$work/small" "$trace") >"$work/out" 2>&1
    status=$?
    # Folded stacks of so few places may fit.
    { [ $status = 2 ] && [ ! -e "$work/small" ] && grep -q 'hindvisor export: ' "$work/out"; } || [ $format = folded ]
    result "file-size-limit-$format" $? "$work/out"
    rm -rf "$work/small"
done

# --- signals, and what a killed export leaves ----------------------------------------------------------
# The trace is long enough that an export is still at work when it is stopped.
trace=$work/linux
left() { find "$work" -maxdepth 1 -name "$1.*.new" | wc -l; }
# stop_export FORMAT SIGNAL: its exit status, once it has begun to write
stop_export() {
    local pid status
    # Shells have their background jobs ignore SIGINT.
    env --default-signal=INT "$hindvisor" export --to "$1" -o "$work/stop" "$trace" >"$work/out" 2>&1 &
    pid=$!
    while [ "$(left stop)" = 0 ] && kill -0 $pid 2>/dev/null; do sleep 0.01; done
    kill -"$2" $pid 2>/dev/null
    wait $pid 2>/dev/null
    status=$?
    echo $status
}
for format in ctf sqlite csv perfetto; do
    same "stopped-$format" 143 "$(stop_export $format TERM)"
    same "stopped-$format-leaves-nothing" "0 0" "$(left stop) $(find "$work" -maxdepth 1 -name stop | wc -l)"
done
same interrupted-is-said 130 "$(stop_export sqlite INT)"
grep -q 'hindvisor export: .*told to stop' "$work/out"; result interrupted-says-so $? "$work/out"
for format in ctf sqlite; do
    same "killed-$format" "137 1" "$(stop_export $format KILL) $(left stop)"
done
# Of one that is still at work, of another name, and what is no leftover stay.
mkdir "$work/stop.$$.new" && touch "$work/stop.0.new" "$work/stop.12x.new" "$work/stopped.999999.new"
"$hindvisor" export --to csv -o "$work/stop" "$work/trace" >"$work/out" 2>&1
result after-a-killed-one $? "$work/out"
same leftovers-are-gone "$(printf '%s\n' stop "stop.$$.new" stop.0.new stop.12x.new stopped.999999.new | sort)" \
    "$(find "$work" -maxdepth 1 -name 'stop*' -printf '%f\n' | sort)"
trace=$work/trace
cp -r "$trace" "$work/damaged"
size=$(stat -c %s "$work/damaged/observations")
printf '\xff\xff\xff' | dd of="$work/damaged/observations" bs=1 seek=$((size / 3)) conv=notrunc 2>/dev/null
for format in ctf perfetto sqlite csv folded ftrace; do
    expect "damaged-$format" 2 'hindvisor export: .*observations' "$hindvisor" export --to $format -o "$work/new" "$work/damaged"
    [ -z "$(find "$work" -maxdepth 1 -name 'new*')" ]; result "damaged-$format-leaves-nothing" $?
done
head -c $((size / 2)) "$trace/observations" >"$work/damaged/observations"
expect truncated 2 'repair' "$hindvisor" export --to csv -o "$work/new" "$work/damaged"

exit $failed
