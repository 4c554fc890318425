#!/bin/bash
# Each fuzz target for FUZZ_SECONDS (5), beginning with its seeds and with what earlier runs found
# worth keeping. A finding fails the test and stays in BUILD/fuzz/ for a rerun.
#
# usage: tests/runs/fuzz.sh [BUILD]
set -u
cd "$(dirname "$0")/../.."
build=${1:-build}
seconds=${FUZZ_SECONDS:-5}
failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    name=${name#fuzz_}
    seeds=()
    for folder in "tests/fuzz/corpus/$name" "$build/fuzz/seeds/$name"; do
        [ ! -d "$folder" ] || seeds+=("$folder")
    done
    found=$build/fuzz/corpus/$name
    mkdir -p "$found"
    if "$build/fuzz/$name" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=1500 -print_final_stats=1 \
        -artifact_prefix="$build/fuzz/$name-" "$found" "${seeds[@]}" >"$out" 2>&1; then
        echo "ok $name"
        sed -nE 's/^stat::number_of_executed_units: /    runs: /p' "$out"
    else
        echo "FAIL $name"
        tail -n 40 "$out" | cut -c1-300 | sed 's/^/    /'
        failed=1
    fi
done
exit $failed
