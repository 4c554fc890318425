#!/bin/bash
# `hindvisor analyze` and `merge` over recorded guests: sums are exact in every view, shards merged
# equal the whole byte for byte in every view and format, JSON and CSV parse, traces that are
# damaged, cut or without observations give what is left and say what is missing.
#
# usage: tests/runs/analysis.sh [BUILD]
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
export HINDVISOR_PROCESSOR=software

must_record long/many_blocks "$work/count"
must_record long/many_blocks "$work/host" --clock host
must_record preempt "$work/noise" --noise 3
must_record pc_timers "$work/idle"
analyze() { "$hindvisor" analyze "$@" 2>>"$work/err"; }
of() { sed -n "s/^$2: //p" "$work/$1/manifest"; }
# The members `key` of the objects of a JSON array, one a line
members() { sed -nE "s/.*\"$1\":\"?([^,\"}]*).*/\1/p"; }
array() { sed -n "/^\"$1\":/,/^\]/p"; }
sum() { awk '{ n += $1 } END { printf "%.6f\n", n }'; }

# --- every view: its name, what it shows, whether it merges -----------------------------------------------
# Those of the scheduler want a Linux: tests/runs/scheduler.sh.
mapfile -t views < <("$hindvisor" analyze --help | sed -n '/^Views:/,$ s/^  \([a-z]*\) *\([a-z]*\) .*/\1 \2/p' | grep -v ^scheduler)
[ ${#views[@]} -gt 6 ]; result views-are-listed $?

# JSON and CSV of a view parse, and have as many rows.
check_formats() { # VIEW SHOW TRACE
    analyze "$1" --show "$2" --rows 2000 --format json "$work/$3" >"$work/json" || return 1
    analyze "$1" --show "$2" --rows 2000 --format csv "$work/$3" >"$work/csv" || return 1
    python3 - "$1" "$work/json" "$work/csv" <<'END'
import csv, json, sys
view, whole, rows = sys.argv[1], json.load(open(sys.argv[2])), list(csv.reader(open(sys.argv[3])))
assert whole["schema"].startswith("hindvisor-analysis-"), "schema"
array = whole[view]
assert isinstance(array, list) and len(array) == len(rows) - 1, (len(array), len(rows))
for cells, row in zip(rows[1:], array):
    assert rows[0] == list(row) and len(cells) == len(row), row
for name, table in whole.items():
    for key in {k for r in table if isinstance(table, list) for k in r if k.endswith("percent")}:
        total = sum(round(r[key] * 1000000) for r in table if r[key] is not None)
        assert total in (0, 100000000), (name, key, total)
END
}
formats=0
for view in "${views[@]}"; do
    for trace in count host noise; do
        # shellcheck disable=SC2086
        check_formats $view $trace 2>"$work/python" || { formats=1; echo "$view of $trace" >>"$work/python"; break 2; }
    done
done
result every-view-in-json-and-csv-with-whole-shares $formats "$work/python" "$work/err"

# --- sums ------------------------------------------------------------------------------------------------
sums() { # TRACE BY
    analyze exits --by "$2" --format json "$work/$1" >"$work/json"
    local exits ns
    exits=$(array totals <"$work/json" | members samples; sed -n 's/^"totals":.*"samples":\([0-9]*\).*/\1/p' "$work/json")
    ns=$(sed -n 's/^"totals":.*"guest_ns":\([0-9]*\).*/\1/p' "$work/json")
    [ "$(sed -n 1p <<<"$exits")" = "$(of "$1" exits)" ] || { echo "exits: $exits"; return 1; }
    [ "$(array time <"$work/json" | members guest_ns | grep -v null | sum)" = "$ns.000000" ] || { echo "guest ns: $ns"; return 1; }
    [ "$2" != reason ] || [ "$(array exits <"$work/json" | members samples | sum)" = "$(of "$1" exits).000000" ]
}
for trace in count noise idle host; do
    good=0
    for by in reason port msr gpa rip qualification; do sums $trace $by >"$work/out" || { good=1; break; }; done
    result "sums-of-$trace" $good "$work/out" "$work/err"
done
# Guest time in all is the machine's own at its end: what the manifest says.
for trace in count noise idle; do
    told=$(analyze exits --format json "$work/$trace" | sed -n 's/^"totals":.*"guest_ns":\([0-9]*\).*/\1/p')
    [ "$told" = "$(of $trace guest-ns)" ]
    result "guest-time-of-$trace-is-the-machine's" $?
done

# Accesses over time are those of the statistics, register by register.
analyze io --show stats --format csv "$work/host" | awk -F, 'NR > 1 { print $1, $2, $3, $4, $5, $6, $7 }' | sort >"$work/stats"
for length in "--interval 1ms" "--intervals 7"; do
    # shellcheck disable=SC2086
    analyze io --show freq $length --format csv "$work/host" |
        awk -F, 'NR > 1 { n[$3 " " $4 " " $5 " " $6 " " $7 " " $8] += $9 } END { for (i in n) print i, n[i] }' | sort | cmp - "$work/stats" >"$work/out"
    result "accesses-over-time-are-all-accesses$(tr ' ' - <<<"$length")" $? "$work/out" "$work/err"
done

# --- instructions: by a replay, of guests without a kernel that is known, in all modes -----------------------
must_record modes "$work/modes"
for trace in count modes; do
    expect "symbols-of-$trace-are-not-known" 0 'no names of functions' "$hindvisor" analyze exits --by rip --symbols "$work/$trace"
    analyze exits --show log --format csv "$work/$trace" | awk -f "$root/tests/runs/instructions.awk" >"$work/out"
    [ "$(wc -l <"$work/out")" = 1 ] && [ "$(awk '{ print $2 }' "$work/out")" -gt 3000 ]
    result "instructions-explain-exits-of-$trace" $? "$work/out" "$work/err"
done
analyze exits --by rip --format json "$work/modes" | grep -q '"instruction":"rep outsb dx, byte ptr \[si\]"'
result instructions-in-16-bit-code $? "$work/err"
rm "$work/count/guest.cache"
analyze exits --by rip --format json "$work/count" | grep -q '"instruction":null' && [ ! -e "$work/count/guest.cache" ]
result no-instructions-without-a-cache $? "$work/err"
# --- to an exit that an analysis has shown -------------------------------------------------------------------
reaches() { # PROCESSOR TRACE EXIT: a replay ends there, in the state that the record has
    "$hindvisor" replay --processor "$1" --quiet --to "$3" "$work/$2" >"$work/out" 2>&1 || return 1
    grep -q "replay: same: $(($3 + 1)) exits, .* 0 divergences" "$work/out" && grep -q "stopped at exit $3, before it" "$work/out" || return 1
    local rip
    rip=$(analyze exits --show log --from "$3" --to "$3" --format csv "$work/$2" | awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "rip") at = i; next } { print substr($at, 3) }')
    grep -Eq "rip 0*$rip " "$work/out"
}
for exit in 0 1 4321 $(($(of count exits) - 1)); do
    reaches software count "$exit"; result "replay-to-exit-$exit" $? "$work/out"
done
reaches software host 5000; result replay-to-an-exit-under-the-hosts-clock $? "$work/out"
reaches bochs count 5000; result replay-to-an-exit-on-bochs $? "$work/out"
expect replay-to-none-such 2 'has exits 0 to' "$hindvisor" replay --to "$(of count exits)" "$work/count"
expect replay-to-nonsense 2 'must be the number of an exit' "$hindvisor" replay --to 1.5s "$work/count"

# --- the clocks --------------------------------------------------------------------------------------------
# What the time view says against the records themselves: stamps, stolen time and readings of the dump.
check_clocks() { # TRACE
    analyze time --format json "$work/$1" >"$work/json" && analyze time --show freq --intervals 50 --format json "$work/$1" >"$work/freq" &&
        analyze exits --show log --format csv "$work/$1" >"$work/csv" && "$hindvisor" dump "$work/$1" >"$work/dump" 2>>"$work/err" || return 1
    python3 - "$work" "$(of "$1" host-tsc-hz)" "$(of "$1" clock)" <<'END'
import csv, json, re, sys
work, hz, clock = sys.argv[1], int(sys.argv[2]), sys.argv[3]
told, freq = (json.load(open(f"{work}/{name}")) for name in ("json", "freq"))
times = [int(row["time_ns"]) for row in csv.DictReader(open(f"{work}/csv"))]
dump = open(f"{work}/dump").read()
exits = [(int(a), int(b)) for a, b in re.findall(r"tsc_exit=(\d+) tsc_entry=(\d+)", dump)]
clocks, totals, parts = told["clocks"], told["totals"], {row["state"]: row for row in told["time"]}
def equal(what, *numbers): assert len(set(numbers)) == 1, (what, numbers)
equal("exits", totals["samples"], len(exits), sum(row["samples"] for row in freq["time"]))
equal("guest ns", clocks["guest_ns"], totals["guest_ns"], times[-1] - times[0], sum(p["guest_ns"] or 0 for p in parts.values()))
equal("ticks", totals["ticks"], exits[-1][0] - exits[0][0], sum(p["ticks"] or 0 for p in parts.values()))
ns = [tsc * 10**9 // hz for tsc, entry in exits]
equal("host ns", clocks["host_ns"], ns[-1] - ns[0], sum(row["host_ns"] for row in freq["time"]))
ahead = [(t - times[0]) - (n - ns[0]) for t, n in zip(times, ns)]
forward, backward = (row["sum_ns"] for row in told["steps"])
equal("offset", clocks["offset_ns"], ahead[-1], clocks["guest_ns"] - clocks["host_ns"], forward - backward, freq["time"][-1]["offset_ns"])
equal("drift", clocks["drift_ppb"], ahead[-1] * 10**9 // (ns[-1] - ns[0]))
for end, pick in (("least", min), ("most", max)):
    at = ahead.index(pick(ahead))
    equal(end, (clocks[end + "_ns"], clocks[end + "_exit"], clocks[end + "_time_ns"]), (ahead[at], at, times[at]))
stolen = sum(int(v, 16) for v in re.findall(r"arrival +time value=(0x[0-9a-f]+)", dump))
last = re.findall(r"(?m)^ *%d arrival +time value=(0x[0-9a-f]+)" % (len(exits) - 1), dump)
if clock == "count":
    equal("stolen", parts["stolen"]["guest_ns"], stolen - sum(int(v, 16) for v in last))
reads = {row["source"]: row for row in told["readings"]}
equal("TSC", reads.get("tsc", {"reads": 0})["reads"], len(re.findall(r"exit +RDTSCP? |MSR_READ .*address=0x10 ", dump)))
equal("host clock", reads.get("host_clock", {"reads": 0})["reads"],
      0 if clock == "count" else len(re.findall(r" clock +value=| arrival +time ", dump)))
assert not any(row["backwards"] for row in reads.values()), reads
END
}
for trace in count host noise idle; do
    check_clocks $trace 2>"$work/python"
    result "clocks-of-$trace-are-those-of-its-records" $? "$work/python" "$work/err"
done
# The largest step of a noisy run is time that was stolen; of an idle one, sleep that was skipped.
largest() { analyze time --show steps --rows 1 --format csv "$work/$1" | awk -F, -v key="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == key) at = i } NR == 2 { print $at }'; }
[ "$(largest noise stolen_ns)" -gt 100000 ] && [ "$(largest noise idle_ns)" = 0 ]; result a-theft-is-the-largest-step $?
[ "$(largest idle idle_ns)" -gt 100000 ] && [ "$(largest idle stolen_ns)" = 0 ]; result a-sleep-is-the-largest-step $?

# --- shards ----------------------------------------------------------------------------------------------
merge_equals() { # TRACE VIEW SHOW OPTION...
    local trace=$work/$1 i
    shift
    local question=("$1" --show "$2" "${@:3}")
    rm -f "$work"/part.*
    for i in 1 2 3 4 5; do
        "$hindvisor" analyze "${question[@]}" --shard $i/5 --partial "$work/part.$i" "$trace" 2>"$work/out"
        case $? in 0) ;; 2) grep -q 'no partial result' "$work/out" && return 77; return 1 ;; *) return 1 ;; esac
    done
    for i in table json csv; do
        "$hindvisor" merge "$work"/part.* --format $i >"$work/merged" 2>"$work/out" || return 1
        analyze "${question[@]}" --format $i "$trace" | cmp - "$work/merged" >"$work/out" || return 1
    done
}
merged=0
for view in "${views[@]}"; do
    read -r name show <<<"$view"
    for trace in count host noise; do
        merge_equals $trace "$name" "$show"
        status=$?
        [ $status = 77 ] && break
        [ $status = 0 ] || { echo "$view of $trace" >>"$work/out"; break 2; }
        merged=$((merged + 1))
    done
done
{ [ $status = 0 ] || [ $status = 77 ]; } && [ $merged -ge 12 ]
result merged-shards-equal-the-whole $? "$work/out" "$work/err"
for by in port msr gpa rip qualification; do
    merge_equals count exits stats --by $by || break
done
result merged-shards-equal-the-whole-by-any-key $? "$work/out"

# --- damaged, cut, without observations ----------------------------------------------------------------------
exits_seen() { sed -n 's/^"totals":.*"samples":\([0-9]*\).*/\1/p' "$work/json"; }
copy() { rm -rf "$work/bad"; cp -r "$work/count" "$work/bad"; }
partial() { # NAME PATTERN: exit status 1, a reason, and some of the exits
    analyze_status=0
    timeout -k 5 60 "$hindvisor" analyze exits --format json "$work/bad" >"$work/json" 2>"$work/out" || analyze_status=$?
    python3 -m json.tool "$work/json" >/dev/null 2>>"$work/out" && [ $analyze_status = 1 ] && grep -Eq "$2" "$work/out" &&
        [ "$(exits_seen)" -ge "${3:-1}" ] && [ "$(exits_seen)" -lt "$(of count exits)" ]
    result "$1" $? "$work/out"
}
size=$(stat -c %s "$work/count/observations")
copy; truncate -s $((size / 2)) "$work/bad/observations"
partial truncated-observations 'blocks are not in this; damage: .*truncated'
copy; truncate -s $((size - 20)) "$work/bad/observations"
"$hindvisor" analyze exits --format json "$work/bad" >"$work/json" 2>"$work/out"
[ "$(exits_seen)" = "$(of count exits)" ]
result a-lost-index-costs-nothing $? "$work/out"
copy; truncate -s $(($(stat -c %s "$work/count/inputs") / 2)) "$work/bad/inputs"
partial truncated-inputs 'blocks are not in this; damage: .*inputs.*truncated'
copy; printf '\x5a\xa5\x5a' | dd of="$work/bad/observations" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
partial a-damaged-block 'block [0-9]+ at offset'
copy; rm "$work/bad/observations"
partial missing-observations 'observations: cannot open' 0
copy; echo junk >"$work/bad/manifest"
expect a-damaged-manifest 2 'manifest' "$hindvisor" analyze exits "$work/bad"
expect a-directory-without-a-trace 2 . "$hindvisor" analyze exits "$work"
# Every length that the observations may be cut to, about: never a crash, never more than there is.
good=0
for i in 1 3 5 7 9 11; do
    copy; truncate -s $((size * i / 12 + i)) "$work/bad/observations"
    timeout -k 5 60 "$hindvisor" analyze exits --format json "$work/bad" >"$work/json" 2>"$work/out"
    [ $? = 1 ] && [ "$(exits_seen)" -le "$(of count exits)" ] || { good=1; break; }
done
result cut-anywhere $good "$work/out"
copy
expect drop-observations 0 'it replays' "$hindvisor" repair --drop-observations "$work/bad"
expect dropped-replays 0 'same' "$hindvisor" replay --quiet "$work/bad"
expect dropped-info 0 'observations were dropped' "$hindvisor" info "$work/bad"
expect dropped-dump 0 'state ' "$hindvisor" dump "$work/bad"
expect dropped-analysis 1 'observations were dropped' "$hindvisor" analyze exits "$work/bad"
expect dropped-is-whole 0 'nothing to repair' "$hindvisor" repair "$work/bad"
truncate -s -200 "$work/bad/inputs"
expect dropped-and-damaged 2 'truncated' "$hindvisor" info "$work/bad"
"$hindvisor" repair "$work/bad" >"$work/out" 2>&1
expect dropped-damaged-repaired-replays 0 'same' "$hindvisor" replay --quiet "$work/bad"
exit $failed
