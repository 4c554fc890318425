#!/bin/sh
# The command line with bad input and with carriers that misbehave. No guest runs here: a
# stand-in for Bochs (fake_bochs.c) speaks its part. One line a test: `ok NAME` or `FAIL NAME`.
#
# usage: tests/runs/cli.sh [BUILD]        (default: build)
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd)
command=$build/hindvisor
work=$(mktemp -d "${TMPDIR:-/tmp}/hindvisor-cli-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
failed=0

mkdir -p "$work/fake" "$work/image" "$work/home" "$work/tmp" "$work/bare"
${CC:-gcc} -std=gnu11 -O1 -msse4.2 -I"$root" -o "$work/fake/bochs" "$root/tests/runs/fake_bochs.c" || exit 2
echo image >"$work/image/hindvisor.bin"
echo rom >"$work/image/rom.bin"
for tool in sh env rm mkdir; do ln -s "$(command -v $tool)" "$work/bare/"; done
real_path=$PATH
export PATH="$work/fake:$PATH" HINDVISOR_IMAGE="$work/image" XDG_DATA_HOME="$work/home" TMPDIR="$work/tmp"
export NO_COLOR=1 HINDVISOR_PROCESSOR=bochs

# The smallest kernel that loads: an ELF executable with one page of code.
python3=$(command -v python3 || true)
kernel=$work/kernel.elf
printf '.globl _start\n_start: hlt\njmp _start\n' >"$work/kernel.s"
${CC:-gcc} -nostdlib -static -no-pie -Wl,-Ttext=0x400000 -Wl,--build-id=none -o "$kernel" "$work/kernel.s" || exit 2

# result NAME GOOD?
result() {
    if [ "$2" = 0 ]; then
        echo "ok $1"
    else
        echo "FAIL $1"
        sed 's/^/    /' "$work/out" "$work/err" 2>/dev/null | cut -c1-300 | head -n 20
        failed=1
    fi
}

# expect NAME STATUS PATTERN ARGUMENT...: exit status, and an extended regular expression on stderr.
# `with` is a change of the environment for the command alone.
with=
expect() {
    name=$1 status=$2 pattern=$3
    shift 3
    env ${with:+"$with"} "$command" "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    good=0
    [ "$got" = "$status" ] || { good=1; echo "(exit status $got, not $status)" >>"$work/err"; }
    [ -z "$pattern" ] || grep -Eq -e "$pattern" "$work/err" || good=1
    result "$name" $good
}

# The last expect() also printed this on stdout.
printed() {
    grep -Eq -e "$2" "$work/out"
    result "$1" $?
}

record() { # MODE NAME STATUS PATTERN ARGUMENT...
    export FAKE="$1"
    shift
    name=$1 status=$2 pattern=$3
    shift 3
    expect "$name" "$status" "$pattern" record --kernel "$kernel" "$@"
    unset FAKE
}

# --- the command's own options ------------------------------------------------------------
expect no-command 2 '^usage:'
expect unknown-command 2 'no command .frobnicate.' frobnicate
expect help 0 '' help
printed help-lists-commands 'doctor'
expect help-record 0 '' help record
printed help-record-lists-options '--wall-timeout'
expect version 0 '' --version
printed version-text '^hindvisor [0-9]'
expect record-unknown-option 2 'frob' record --frob
expect record-no-kernel 2 '--kernel FILE is missing' record
expect record-operand 2 'unexpected .boot.' record --kernel "$kernel" boot
expect record-bad-clock 2 'clock.*count. or .host' record --kernel "$kernel" --clock sometimes
expect record-bad-memory 2 '2M to 1536M' record --kernel "$kernel" --memory 1M
expect record-too-much-memory 2 '2M to 1536M' record --kernel "$kernel" --memory 4G
expect record-odd-memory 2 'multiple of 4K' record --kernel "$kernel" --memory 4194305
expect record-bad-timeout 2 'must be a time' record --kernel "$kernel" --timeout soon
expect record-bad-wall-timeout 2 'must be a time' record --kernel "$kernel" --wall-timeout 5x
expect record-bad-noise 2 'noise.*must be a number' record --kernel "$kernel" --noise loud
expect record-bad-date 2 '2026-01-01T00:00:00Z' record --kernel "$kernel" --date yesterday
expect record-bad-trap 2 'exceptions like' record --kernel "$kernel" --trap 6,99
expect record-bad-page-fault 2 'MASK,MATCH' record --kernel "$kernel" --page-fault 4
expect record-bad-processor 2 'bochs' record --kernel "$kernel" --processor abacus
with=HINDVISOR_PROCESSOR=abacus
expect record-bad-default-processor 2 'HINDVISOR_PROCESSOR=abacus.*software' record --kernel "$kernel"
expect replay-bad-default-processor 2 'HINDVISOR_PROCESSOR=abacus.*software' replay x
with=
expect record-contradiction 2 'no meaning' record --kernel "$kernel" --no-record -o "$work/x"
expect record-long-append 2 'at most 2047' record --kernel "$kernel" --append "$(head -c 3000 /dev/zero | tr '\0' a)"
expect replay-unknown-option 2 'frob' replay --frob
expect replay-two-traces 2 'one trace' replay a b
expect doctor-bad-format 2 'table' doctor --format xml

# --- files -----------------------------------------------------------------------------------
: >"$work/empty"
head -c 100000 /dev/zero >"$work/zeros"
echo text | gzip >"$work/packed"
head -c 60 "$kernel" >"$work/short.elf"
expect kernel-missing 2 'cannot read the kernel.*No such file' record --kernel "$work/none"
expect kernel-empty 2 'is empty' record --kernel "$work/empty"
expect kernel-directory 2 'is not a file' record --kernel "$work"
expect kernel-zeros 2 'is not a kernel' record --kernel "$work/zeros"
expect kernel-gzip 2 'gzip' record --kernel "$work/packed"
expect kernel-script 2 'a script' record --kernel "$root/tests/runs/cli.sh"
expect kernel-truncated 2 'kernel|ELF|truncated|short' record --kernel "$work/short.elf"
mkfifo "$work/fifo"
expect kernel-fifo 2 'is not a file' record --kernel "$work/fifo"
expect initrd-missing 2 'cannot read the initrd' record --kernel "$kernel" --initrd "$work/none"
expect initrd-empty 2 'initrd.*is empty' record --kernel "$kernel" --initrd "$work/empty"
truncate -s 64M "$work/large"
expect initrd-too-large 2 'initrd' record --kernel "$kernel" --initrd "$work/large" --memory 32M
expect empty-kernel-with-output 2 'is empty' record --kernel "$work/empty" -o "$work/never"
[ ! -e "$work/never" ]; result bad-input-leaves-no-trace $?

# --- the machine --------------------------------------------------------------------------------
with=PATH=$work/bare
expect bochs-missing 2 'apt-get install bochs' record --kernel "$kernel"
with=HINDVISOR_IMAGE=$work/home
expect image-missing 2 'hindvisor.bin' record --kernel "$kernel"
with=TMPDIR=$work/none
expect no-temporary 2 'cannot make a directory' record --kernel "$kernel"
with=
expect trace-missing 2 'none' replay "$work/none"
expect trace-not-a-trace 2 'manifest|trace' replay "$work/home"
printf 'x' >"$work/plain"
expect output-exists 2 'plain' record --kernel "$kernel" -o "$work/plain"

# --- recording with a carrier that works -----------------------------------------------------------
record good good 0 'the guest powered off' -o "$work/good.trace"
printed good-console 'guest: hello'
[ ! -e "$work/good.trace/disk" ] && [ -s "$work/good.trace/manifest" ]; result good-trace-is-whole $?
[ -z "$(ls "$work/tmp")" ]; result good-leaves-no-temporary-files $?
printed_latest=$(readlink -f "$work/home/hindvisor/latest")
[ "$printed_latest" = "$work/good.trace" ]; result latest-points-at-it $?
record good quiet 0 'powered off' --quiet --no-record
[ ! -s "$work/out" ]; result quiet-shows-no-console $?
record good default-name 0 'powered off'
ls -d "$work/home/hindvisor/kernel.elf-1" >/dev/null 2>&1; result default-name-is-the-kernels $?
record good all-options 0 'powered off' --memory 32M --clock host --date 2030-05-06 --noise 7 --trap ud,14 \
    --page-fault 1,1 --timeout 10s --wall-timeout 1m --processor bochs --append 'console=ttyS0' -o "$work/all.trace"
with=FAKE=good
expect replay-same 0 'replay: same: 200 exits, 0 state hashes, 0 divergences' replay "$work/good.trace"
expect replay-latest 0 'replay: same' replay
with=FAKE=differs
expect replay-differs 1 'the value written or given differs' replay "$work/good.trace"
grep -q 'rdrand eax   \[0f c7 f0\]' "$work/err"; result report-disassembles $?
grep -q 'exit 41, .*RIP 0xffffffff81000000' "$work/err"; result report-has-the-position $?
grep -q 'EPT_VIOLATION' "$work/err"; result report-has-the-last-exits $?
grep -q 'may differ between runs' "$work/err"; result report-names-the-cause $?
with=

# --- recording with one that does not ------------------------------------------------------------------
record early carrier-fails-early 2 'before the image started .exit status 1.: no such plugin'
record dies carrier-dies 2 'middle of the run .exit status 1.: exception in the emulator' -o "$work/dies.trace"
expect dead-carrier-keeps-the-trace 1 '' info "$work/dies.trace"
record silent chunk-without-its-frame 2 'killed by signal 9' -o "$work/silent.trace"
expect chunk-without-its-frame-is-kept 1 '' info "$work/silent.trace"
printed kept-exits '100'
record damaged damaged-chunk 2 'chunk 0 .* checksum is wrong'
record unknown unknown-frame 2 'does not know'
record garbage garbage 2 'hindvisor'
record version other-version 2 'another version'
record noreport no-report 2 'without running'
record nothing message 2 'this processor lacks EPT .2J'
record nothing nothing-recorded 2 'no trace was kept' -o "$work/nothing.trace"
[ ! -e "$work/nothing.trace" ]; result empty-trace-is-removed $?

# --- input, limits, signals --------------------------------------------------------------------------------
export FAKE=echo
printf 'a\037b\001\003\r\nlast!' >"$work/typed"
"$command" record --kernel "$kernel" --no-record >"$work/out" 2>"$work/err" <"$work/typed"
tail -c +14 "$work/out" | cmp -s - "$work/typed"; result piped-input-arrives $?
head -c 50000 /dev/urandom | tr -d '!' >"$work/typed"; printf '!' >>"$work/typed"
"$command" record --kernel "$kernel" --no-record >"$work/out" 2>"$work/err" <"$work/typed"
tail -c +14 "$work/out" | cmp -s - "$work/typed"; result all-bytes-arrive $?
record echo wall-timeout 0 'limit on wall-clock time' --wall-timeout 300ms

signalled() { # NAME MODE STATUS PATTERN SIGNAL...
    name=$1 status=$3 pattern=$4
    FAKE=$2 "$command" record --kernel "$kernel" -o "$work/$1.trace" >"$work/out" 2>"$work/err" </dev/null &
    process=$!
    shift 4
    for signal; do
        sleep 0.5
        kill "-$signal" $process
    done
    wait $process 2>/dev/null
    [ $? = "$status" ] && { [ -z "$pattern" ] || grep -Eq "$pattern" "$work/err"; }
    result "$name" $?
}
signalled terminated echo 0 'stopped by the user' TERM
signalled hung-up echo 0 'stopped by the user' HUP
signalled killed-twice deaf 2 'second signal' TERM TERM
expect killed-twice-keeps-the-trace 1 '' info "$work/killed-twice.trace"
export FAKE_PID="$work/pid"
signalled sigkilled deaf 137 '' KILL
sleep 0.2
! grep -q '^State:.[^ZX]' "/proc/$(cat "$work/pid")/status" 2>/dev/null; result sigkill-takes-the-carrier-along $?
expect sigkilled-trace-is-repaired 0 '' repair "$work/sigkilled.trace"
expect sigkilled-trace-keeps-its-block 1 '' info "$work/sigkilled.trace"
printed sigkilled-trace-has-its-exits '100 exits'
rm -rf "$work"/tmp/* # a killed command leaves its temporary files
unset FAKE FAKE_PID

# --- the other end of stdout, a full disk ---------------------------------------------------------------------
export FAKE=flood
"$command" record --kernel "$kernel" --no-record 2>"$work/err" </dev/null >"$work/out"
[ "$(wc -c <"$work/out")" = 2000013 ]; result all-console-bytes-are-shown $?
"$command" record --kernel "$kernel" -o "$work/closed.trace" 2>"$work/err" </dev/null | head -n 1 >"$work/out"
grep -q 'no longer shown' "$work/err" && grep -q 'powered off' "$work/err"; result closed-stdout-does-not-stop-it $?
"$command" record --kernel "$kernel" -o "$work/full-out.trace" 2>"$work/err" </dev/null >/dev/full
grep -q 'no longer shown' "$work/err" && grep -q 'powered off' "$work/err"; result full-stdout-does-not-stop-it $?
unset FAKE
"$command" --version >/dev/full 2>"$work/err"
[ $? = 2 ]; result full-stdout-is-trouble $?
if mkdir "$work/small" && mount -t tmpfs -o size=256k tmpfs "$work/small" 2>/dev/null; then
    export FAKE=full
    "$command" record --kernel "$kernel" -o "$work/small/trace" 2>"$work/err" </dev/null >"$work/out"
    [ $? = 2 ] && grep -Eiq 'no space' "$work/err"; result full-disk $?
    expect full-disk-keeps-the-trace 1 "" info "$work/small/trace"
    umount "$work/small"
else
    echo "skip full-disk (needs root to mount a small tmpfs)"
fi

# --- doctor ---------------------------------------------------------------------------------------------------------
with=PATH=$work/bare
expect doctor-finds-no-bochs 0 '' doctor
printed doctor-says-what-to-do 'note +bochs .*apt-get install bochs'
with=PATH=$real_path
expect doctor-json 1 '' doctor --format json # the image here is none, so something is missing
if [ -n "$python3" ]; then
    "$python3" -m json.tool <"$work/out" >/dev/null
    result doctor-json-is-json $?
fi

exit $failed
