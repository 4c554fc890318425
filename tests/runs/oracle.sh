#!/bin/bash
# Random user-mode instructions on the host CPU and on the software processor (tests/oracle/): two
# million, from a fixed seed. With a number of seconds, by a seed of its own for so long.
#
# usage: tests/runs/oracle.sh [BUILD [SECONDS]]
set -u
cd "$(dirname "$0")/../.."
build=${1:-build} seconds=${2:-}
out=$(mktemp)
trap 'rm -f "$out"' EXIT

if [ -n "$seconds" ]; then
    "$build/tests/oracle" --seed "$(date +%s)" --seconds "$seconds" >"$out" 2>&1
else
    "$build/tests/oracle" --seed 1 --instructions 2000000 >"$out" 2>&1
fi
status=$?
case $status in
0) echo "ok oracle"; sed 's/^/    /' "$out" ;;
3) echo "skip oracle: $(cat "$out")" ;;
*) echo "FAIL oracle"; tail -n 200 "$out" | sed 's/^/    /' ;;
esac
[ $status = 0 ] || [ $status = 3 ]
