# What the suites share; sourced, with the build folder as $1. Gives root, build, hindvisor, a
# scratch folder `work` that goes away at the end, and ok/fail lines.
# shellcheck shell=bash
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd)
hindvisor=$build/hindvisor
guests=$build/guests
work=$(mktemp -d "/var/tmp/hindvisor-$(basename "$0" .sh)-XXXXXX")
export XDG_DATA_HOME=$work/home NO_COLOR=1
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
failed=0

# result NAME STATUS [FILE...]: status 0 is ok; else the files are shown
result() {
    local name=$1 status=$2
    shift 2
    if [ "$status" = 0 ]; then
        echo "ok $name"
        return
    fi
    echo "FAIL $name"
    [ $# = 0 ] || tail -qn 25 "$@" 2>/dev/null | cut -c1-220 | sed 's/^/    /'
    failed=1
}

# expect NAME STATUS PATTERN COMMAND...: its exit status, and an extended regular expression that
# stdout or stderr matches ("": any). Output stays in $work/out.
expect() {
    local name=$1 want=$2 pattern=$3 got good=0
    shift 3
    timeout -k 5 300 "$@" >"$work/out" 2>&1 </dev/null
    got=$?
    [ "$got" = "$want" ] || { echo "(exit status $got, not $want)" >>"$work/out"; good=1; }
    [ -z "$pattern" ] || grep -aEq -e "$pattern" "$work/out" || { echo "(nothing matches: $pattern)" >>"$work/out"; good=1; }
    result "$name" $good "$work/out"
}

# record GUEST TRACE OPTION...: records a test guest, quietly; its status
record() {
    local guest=$1 trace=$2
    shift 2
    timeout -k 5 300 "$hindvisor" record --quiet --kernel "$guests/$guest.elf" -o "$trace" "$@" \
        >"$work/record.out" 2>&1 </dev/null
}
# must_record: the same, and without it the suite has nothing to do
must_record() {
    record "$@" || { result "recording-of-${1##*/}" 1 "$work/record.out"; exit 1; }
}
# The guest of tests/scheduler: Debian's cloud kernel, path in $kernel, with hackbench and cyclictest
# in $work/initrd. Without it the suite has nothing to do.
scheduler_guest() {
    local tree
    kernel=$("$root/tools/fetch-kernel" 2>"$work/out") || { result fetch-kernel 1 "$work/out"; exit 1; }
    tree=$("$root/tools/fetch-userland" --rt-tests "$root/build/guests/rt-tests" 2>"$work/out") ||
        { result fetch-rt-tests 1 "$work/out"; exit 1; }
    "$root/tools/mkinitramfs" "$work/initrd" --init "$root/tests/scheduler/init" --add "$tree" \
        --add "$build/tests/scheduler" 2>"$work/out" || { result make-initramfs 1 "$work/out"; exit 1; }
}
