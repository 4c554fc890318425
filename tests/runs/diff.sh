#!/bin/bash
# Comparison of recorded runs: the same run twice, other noise, a cut trace; exit status and words.
#
# usage: tests/runs/diff.sh [BUILD]
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

for name in a b; do must_record pc_timers "$work/$name"; done
must_record pc_timers "$work/noisy" --noise 1
diff_of() { expect "$1" "$2" "$3" "$hindvisor" diff "${@:4}"; }

diff_of itself-is-the-same 0 ' 0 timing, 0 value, 0 missing, 0 extra' "$work/a" "$work/a"
diff_of two-runs-differ-in-timing 1 'first difference: timing only' "$work/a" "$work/b"
diff_of but-in-nothing-else 0 ' 0 value, 0 missing, 0 extra' --ignore-timing "$work/a" "$work/b"
diff_of noise-is-found 1 'first difference: (value|missing|extra), at exit [0-9]+' "$work/a" "$work/noisy"
diff_of settings-are-told 1 'noise-seed +A 0' "$work/a" "$work/noisy"
diff_of json 1 '"schema":"hindvisor-diff-1".*' --format json "$work/a" "$work/noisy"
if command -v python3 >/dev/null; then
    python3 -m json.tool <"$work/out" >/dev/null
    result json-is-json $?
fi

# A recording that was cut lacks the rest, and nothing more.
cp -r "$work/a" "$work/cut"
size=$(stat -c %s "$work/cut/observations")
truncate -s $((size * 2 / 3)) "$work/cut/observations"
diff_of truncated-is-trouble 2 'truncated' "$work/a" "$work/cut"
diff_of no-such-trace 2 'no such trace' "$work/a" "$work/none"
diff_of one-name 2 'name two traces' "$work/a"
diff_of context-has-a-bound 2 'up to 32' --context 33 "$work/a" "$work/b"
printf '\xff\xff\xff' | dd of="$work/b/observations" bs=1 seek=$((size / 3)) conv=notrunc 2>/dev/null
diff_of damaged-is-trouble 2 'observations' "$work/a" "$work/b"

exit $failed
