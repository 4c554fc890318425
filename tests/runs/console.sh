#!/bin/bash
# The terminal as the guest's console, on the software processor: a shell in the stock kernel answers
# what is typed, every way to end a recording ends it well, and an idle guest leaves the host alone.
# All of it is an input of the trace, so each recording replays.
#
# usage: tests/runs/console.sh [BUILD]
. "$(dirname "$0")/lib.sh"
kernel=$("$root/tools/fetch-kernel" 2>"$work/out") || { result fetch-kernel 1 "$work/out"; exit 1; }
cat >"$work/init" <<'INIT'
#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
echo "shell ready"
exec setsid cttyhack sh
INIT
"$root/tools/mkinitramfs" "$work/initrd" --init "$work/init" 2>"$work/out" || { result make-initramfs 1 "$work/out"; exit 1; }

# await PATTERN: until the console shows it, for a minute at most
await() {
    local i
    for ((i = 0; i < 600; i++)); do
        grep -aq "$1" "$work/console" && return
        sleep 0.1
    done
    echo "(the console never showed: $1)" >>"$work/console"
    return 1
}

# session NAME CLOCK: boots to the shell; typed bytes go to descriptor 3
session() {
    rm -rf "$work/keys" "$work/trace"
    mkfifo "$work/keys"
    : >"$work/console"
    "$hindvisor" record --kernel "$kernel" --initrd "$work/initrd" --append "console=ttyS0 quiet" --clock "$2" \
        -o "$work/trace" <"$work/keys" >"$work/console" 2>"$work/record.out" &
    process=$!
    exec 3>"$work/keys"
    await "shell ready"
    result "$1-reaches-its-shell" $? "$work/console" "$work/record.out"
}

# ended NAME TEXT: it did, so, with status 0, and replays
ended() {
    exec 3>&-
    wait $process
    local status=$?
    [ $status = 0 ] && grep -q "recorded: $2" "$work/record.out"
    result "$1" $? "$work/console" "$work/record.out"
    expect "$1-replays" 0 'replay: same: .* 0 divergences' "$hindvisor" replay "$work/trace"
}

for clock in count host; do
    session "console-$clock" $clock
    # What is echoed is what was typed; the sum is the shell's.
    printf 'echo sum=$((40+2))\n' >&3
    await '^sum=42'
    result "console-$clock-answers" $? "$work/console"
    printf 'poweroff -f\n' >&3
    ended "console-$clock-powers-off" 'the guest powered off'
    grep -aq '^sum=42' "$work/out"
    result "console-$clock-shows-the-same-again" $? "$work/out"
done

session console-interrupted host
kill -INT $process
ended console-interrupted-ends-well 'stopped by the user'
session console-terminated count
kill -TERM $process
ended console-terminated-ends-well 'stopped by the user'

# The limit counts from the start; the guest is at its shell, or still on its way there.
expect console-wall-timeout 0 'recorded: the limit on wall-clock time was reached' "$hindvisor" record --kernel "$kernel" \
    --initrd "$work/initrd" --append "console=ttyS0 quiet" --clock host --wall-timeout 5s -o "$work/limited"
expect console-wall-timeout-replays 0 'replay: same' "$hindvisor" replay --quiet "$work/limited"

# Idle under the host's clock: the guest has nothing to do, so the engine sleeps, again and again for
# 100 ms at most. One that spins never gives the CPU up by itself.
session console-idle host
sleeps() { awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/$process/status"; }
before=$(sleeps)
sleep 5
after=$(sleeps)
[ $((after - before)) -ge 20 ]
result console-idle-leaves-the-host-alone $? <(echo "it slept $((after - before)) times")
kill -INT $process
ended console-idle-ends-well 'stopped by the user'

# On a terminal of its own, by its keys: Ctrl-A x.
rm -rf "$work/trace"
: >"$work/console"
mkfifo "$work/typed"
# shellcheck disable=SC2094
script -qec "$hindvisor record --kernel $kernel --initrd $work/initrd --append 'console=ttyS0 quiet' -o $work/trace" \
    /dev/null <"$work/typed" >"$work/console" 2>"$work/record.out" &
process=$!
exec 3>"$work/typed"
await "shell ready"
result console-terminal-shows-the-guest $? "$work/console"
printf '\001x' >&3
wait $process
grep -aq 'recorded: stopped by the user' "$work/console"
result console-terminal-keys-end-it $? "$work/console"
exec 3>&-
expect console-terminal-replays 0 'replay: same' "$hindvisor" replay --quiet "$work/trace"

exit $failed
