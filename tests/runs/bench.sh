#!/bin/bash
# `hindvisor bench exits`: all samples are there, both views agree about what must be (a round
# seen from inside is never shorter than its exits seen from outside), and bad use is refused.
# How long anything takes is no test's business.
#
# usage: tests/runs/bench.sh [BUILD]
. "$(dirname "$0")/lib.sh"

for processor in software bochs; do
    expect "bench-$processor" 0 '' "$hindvisor" bench exits --processor $processor --format csv --samples "$work/samples"
    [ "$(wc -l <"$work/samples")" = 28001 ]
    result "bench-$processor-keeps-every-sample" $? <(wc -l "$work/samples")
    # inside_p50 is column 6, outside_p50 12.
    awk -F, '/^[a-z0-9_]+,/ && $1 != "exit" { rows++; if ($3 != 2000 || $6 + 1 < $12) bad = bad " " $1 }
        END { if (rows != 14 || bad) { print rows " rows; wrong:" bad; exit 1 } }' "$work/out" >"$work/wrong"
    result "bench-$processor-inside-is-not-shorter" $? "$work/wrong" "$work/out"
    # A round of CPUID is one exit, a self-IPI two.
    grep -aq '^cpuid,[^,]*,2000,2000,' "$work/out" && grep -aq '^x2apic_ipi,.*,2000,4000,' "$work/out"
    result "bench-$processor-counts-exits" $? "$work/out"
done
expect bench-json 0 '"exits":' "$hindvisor" bench exits --format json
expect bench-help 0 'Usage|usage' "$hindvisor" bench --help
expect bench-of-nothing 2 'there is: exits' "$hindvisor" bench
expect bench-of-something-else 2 'there is: exits' "$hindvisor" bench frobs
expect bench-by-hand 2 'must be' "$hindvisor" bench exits --processor image
expect bench-samples-nowhere 2 'cannot write' "$hindvisor" bench exits --samples "$work/none/samples"
expect bench-without-its-guest 2 'exits.elf' env HINDVISOR_IMAGE="$work" "$hindvisor" bench exits
exit $failed
