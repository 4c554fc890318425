#!/bin/bash
# The hosted unit tests under ASan and UBSan, one line a test. Criterion runs them in processes of
# their own, so one that crashes is one failure.
#
# usage: tests/runs/unit.sh [BUILD]
set -u
cd "$(dirname "$0")/../.."
build=${1:-build}
out=$(mktemp)
trap 'rm -f "$out"' EXIT

status=0
for program in unit unit_software; do
    "$build/tests/$program" --jobs 2 --verbose --color=never >"$out" 2>&1 || status=1
    # Criterion says [PASS], [FAIL] or [SKIP] SUITE::TEST; reasons come as [----] lines before it.
    awk '
        /^\[(PASS|FAIL|SKIP)\]/ {
            name = $2; sub(/:$/, "", name); sub(/::/, "/", name)
            print ($1 == "[PASS]" ? "ok " : $1 == "[SKIP]" ? "skip " : "FAIL ") name
            if ($1 == "[FAIL]") printf "%s", said
            said = ""
            next
        }
        /^\[RUN \]/ { next }
        { said = said "    " $0 "\n" }' "$out"
    tested=$(sed -nE 's/^\[====\] Synthesis: Tested: ([0-9]+).*/\1/p' "$out")
    [ -n "$tested" ] || { echo "FAIL $program-tests-end"; tail -n 20 "$out" | sed 's/^/    /'; status=1; }
done
exit $status
