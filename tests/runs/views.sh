#!/bin/bash
# Interrupts and timers as the trace tells them and as the guest's kernel counted them, in one run:
# Debian's cloud kernel reads its /proc/interrupts between marks that are VM exits. Where no
# interrupt came between two marks, the counts must be equal to the one; else they are within.
#
# usage: tests/runs/views.sh [BUILD]
. "$(dirname "$0")/lib.sh"
unset HINDVISOR_PROCESSOR

kernel=$("$root/tools/fetch-kernel" 2>"$work/out") || { result fetch-kernel 1 "$work/out"; exit 1; }
"$root/tools/mkinitramfs" "$work/initrd" --init "$root/tests/views/init" \
    --add "$build/tests/views" 2>"$work/out" ||
    { result make-initramfs 1 "$work/out"; exit 1; }

analyze() { "$hindvisor" analyze "$@" 2>>"$work/out"; }

# column NAME FILE: of CSV, without its header
column() { awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i; next } { print $at }' "$2"; }

# Both sides, into $work/compared: "NAME EQUAL WITHIN WRONG LAST" for each of the kernel's counters:
# how many readings are equal, are within what came between their marks, or are neither; and the last.
compare() { # TRACE
    analyze timers "$1" --show log --format csv >"$work/log"
    analyze io "$1" --show log --format csv | # the kernel itself writes bytes there
        awk -F, '$5 == "port" && $6 == "0x80" && $8 == 4 { print $1 }' >"$work/marks"
    awk -v marks="$work/marks" -v console="$work/console" '
        BEGIN {
            FS = ","
            while ((getline mark < marks) > 0) at[m++] = mark
            while ((getline line < console) > 0) if (line ~ /^COUNTS/) reading[r++] = line
            split("LOC ttyS0", name, " "); split("0xec UART", want, " ")
        }
        FNR > 1 && $8 != "" { n++; vector[n] = $3; source[n] = $2; exit_of[n] = $8 }
        function before(what, mark, i, count) {
            for (i = 1; i <= n; i++)
                count += exit_of[i] < mark && (vector[i] == what || source[i] == what)
            return count + 0
        }
        END {
            for (i = 0; i < r; i++) {
                split(reading[i], field, /[ \r]+/)
                for (k = 1; k <= 2; k++) {
                    low = before(want[k], at[2 * i]); high = before(want[k], at[2 * i + 1])
                    last[k] = field[k + 2]
                    if (m != 2 * r || last[k] < low || last[k] > high) wrong[k]++
                    else if (low == high) equal[k]++
                    else within[k]++
                }
            }
            for (k = 1; k <= 2; k++)
                print name[k], equal[k] + 0, within[k] + 0, wrong[k] + 0, last[k]
        }' "$work/log" >"$work/compared"
}

# compared NAME COUNTER LEAST COUNTED: so many readings are equal, none is wrong, and the kernel counted so many
compared() {
    awk -v name="$2" -v least="$3" -v counted="$4" '
        $1 == name { good = $2 >= least && $4 == 0 && $5 >= counted } END { exit !good }' "$work/compared"
    result "$1" $? "$work/compared" "$work/out"
}

run() { # NAME OPTION...
    local name=$1 trace=$work/$1
    shift
    timeout -k 5 300 "$hindvisor" record --kernel "$kernel" --initrd "$work/initrd" \
        --append "console=ttyS0 quiet" "$@" -o "$trace" >"$work/console" 2>"$work/out" </dev/null &&
        grep -q '^done' "$work/console"
    result "$name-records" $? "$work/console" "$work/out"
    compare "$trace"
    compared "$name-timer-interrupts-are-those-of-proc-interrupts" LOC 10 100
    compared "$name-uart-interrupts-are-those-of-proc-interrupts" ttyS0 10 20

    # What became of each.
    analyze timers "$trace" --format csv >"$work/timers"
    analyze interrupts "$trace" --format csv >"$work/interrupts"
    paste -d' ' <(column fired "$work/timers") <(column injected "$work/timers") <(column merged "$work/timers") \
        <(column masked "$work/timers") <(column dropped "$work/timers") <(column open "$work/timers") |
        awk '{ n++; bad += $1 != $2 + $3 + $4 + $5 + $6 } END { exit !(n >= 2 && !bad) }'
    result "$name-each-firing-has-its-fate" $? "$work/timers"
    paste -d' ' <(column type "$work/interrupts") <(column injected "$work/interrupts") <(column eois "$work/interrupts") \
        <(column open "$work/interrupts") <(column unended "$work/interrupts") |
        awk '$1 == "external" { n++; bad += $2 != $3 + $4 + $5 || $5 } END { exit !(n >= 2 && !bad) }'
    result "$name-each-interrupt-has-its-eoi" $? "$work/interrupts"
    awk -F, 'NR > 1 { split($0, f, ","); if (FILENAME ~ /timers$/) by[f[2]] += f[7]; else if (f[2] == "external") {
            n++; bad += by[f[1]] != f[5] } } END { exit !(n >= 2 && !bad) }' "$work/timers" "$work/interrupts"
    result "$name-both-views-have-the-same-injections" $? "$work/timers" "$work/interrupts"
    analyze timers "$trace" --show histogram --format json |
        awk -F'[":,}]+' '/^"[a-z]+":\[/ { table = $2 }
            /^\{"source"/ { at = $3 " " $5; row[at]; sum[table, at] += $(NF - 1) }
            END { for (at in row) { n++; bad += sum["jitter", at] != sum["timers", at] - (sum["timers", at] > 0) } exit !(n >= 2 && !bad) }'
    result "$name-all-but-the-first-have-a-jitter" $? "$work/timers"
}

run count
# Under this clock the software processor stops at each deadline: no timer is requested late.
[ "$(column requested_max_ns "$work/timers" | sort -n | tail -n 1)" = 0 ]
result no-timer-is-late-by-an-exit-under-the-count-clock $? "$work/timers"
run host --clock host --noise 1

# --- shards and ranges ------------------------------------------------------------------------------
trace=$work/count
for view in timers interrupts; do
    analyze $view "$trace" --format json >"$work/whole"
    for i in 1 2 3 4 5; do
        analyze $view "$trace" --shard $i/5 --partial "$work/part.$i"
    done
    "$hindvisor" merge --format json "$work"/part.[1-5] >"$work/merged" 2>>"$work/out"
    cmp "$work/whole" "$work/merged" >>"$work/out" 2>&1
    result "merged-shards-are-the-whole-of-$view" $? "$work/out"
done

# --- an older trace -----------------------------------------------------------------------------------
"$build/tests/tamper" "$trace" "$work/older" --version 2 >"$work/out" 2>&1
expect older-trace-says-what-it-lacks 0 'older format, without requests' "$hindvisor" analyze timers "$work/older"
expect older-trace-is-shown-as-such 0 'version 2, without requests of interrupts' "$hindvisor" info "$work/older"

exit $failed
