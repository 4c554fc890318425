#!/bin/bash
# Machines that are booted by hand: `record --processor image` makes an ISO and a disk, which are
# booted here under Bochs with its BIOS, and under QEMU without VT-x; `repair` takes the recording
# from the disk, and replays of it run from our ROM and from an ISO of their own.
# shellcheck source=tests/runs/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"

# Bochs's display would listen on the network.
alone=
unshare -n true 2>/dev/null && alone="unshare -n"

# boot_bochs DIR OUT: boots DIR/hindvisor.iso with DIR/disk as the primary master; the console
# goes to OUT. It ends itself when the image is done.
boot_bochs() {
    local bytes
    bytes=$(stat -c %s "$1/disk")
    cat >"$work/bochsrc" <<END
plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, parallel=0, serial=1, iodebug=1
config_interface: textconfig
display_library: rfb, options="timeout=0"
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
memory: host=128, guest=128
cpu: model=tigerlake, count=1, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
clock: sync=none, time0=946681200, rtc_sync=0
port_e9_hack: enabled=1
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path=$1/disk, mode=flat, cylinders=$((bytes / 512 / 16 / 63)), heads=16, spt=63
ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
ata1-master: type=cdrom, path=$1/hindvisor.iso, status=inserted
boot: cdrom
log: $work/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
END
    printf 'c\nq\n' >"$work/bochs.rc"
    timeout -k 2 120 $alone bochs -q -unlock -f "$work/bochsrc" -rc "$work/bochs.rc" \
        >"$2" 2>"$work/bochs.err" </dev/null
}

# boot_qemu DIR OUT: the same without VT-x, the console on COM1; ends it when the image is done.
boot_qemu() {
    local qemu
    timeout -k 2 120 qemu-system-x86_64 -accel tcg -m 128 -boot d -cdrom "$1/hindvisor.iso" \
        -drive "file=$1/disk,format=raw,if=ide,index=0" -net none -serial stdio -display none -no-reboot \
        >"$2" 2>&1 </dev/null &
    qemu=$!
    for _ in $(seq 600); do
        grep -aq 'you may turn the machine off' "$2" && break
        kill -0 $qemu 2>/dev/null || break
        sleep 0.2
    done
    kill $qemu 2>/dev/null
    wait $qemu 2>/dev/null
}

says() { # NAME FILE PATTERN
    grep -aEq -e "$3" "$2"
    result "$1" $? "$2"
}

prepare=("$hindvisor" record --processor image --kernel "$guests/launch_state.elf" --memory 32M -o)

t=$work/t.trace

# --- what is refused ---------------------------------------------------------------------------------
expect image-without-record 2 'no meaning' "${prepare[@]}" "$work/no" --no-record
expect image-without-watcher 2 'no meaning' "${prepare[@]}" "$work/no" --wall-timeout 5s
expect image-replay-without-output 2 '[-]-output' "$hindvisor" replay "$work" --processor image
mkdir "$work/bin"
ln -s "$(command -v xorriso)" "$work/bin/"
expect image-without-grub 2 'apt-get install grub-common mtools' env PATH="$work/bin" "${prepare[@]}" "$work/no"
result image-refused-leaves-nothing "$([ ! -e "$work/no" ]; echo $?)"

# --- a recording ---------------------------------------------------------------------------------------
expect image-prepares 0 "Then: hindvisor repair $t" "${prepare[@]}" "$t"
expect image-not-booted-yet 2 'nothing is recorded on its disk yet' "$hindvisor" repair "$t"
result image-disk-stays "$([ -s "$t/disk" ]; echo $?)"
boot_qemu "$t" "$work/qemu.out"
says image-without-vtx "$work/qemu.out" 'this processor lacks: VT-x'
boot_bochs "$t" "$work/record.out"
says image-shows-the-guest "$work/record.out" '^25 passed, 0 failed'
says image-says-how-it-ended "$work/record.out" 'recorded: the guest wrote its exit code to the debug-exit port: 0'
cp --sparse=always "$t/disk" "$work/disk.full"
expect image-repair 0 'recovered from the trace disk: 1 block' "$hindvisor" repair "$t"
result image-disk-goes "$([ ! -e "$t/disk" ]; echo $?)"
expect image-is-whole 0 '^state +whole' "$hindvisor" info "$t"
grep -q '^guest-ns: [1-9]' "$t/manifest" && grep -q '^host-tsc-hz: [1-9]' "$t/manifest"
result image-times $? "$t/manifest"
expect image-replays-from-rom 0 'replay: same: ' "$hindvisor" replay --quiet "$t"

# --- a replay ------------------------------------------------------------------------------------------
expect image-replay-prepares 0 "[-]-verdict $work/same/disk" "$hindvisor" replay "$t" --processor image -o "$work/same"
expect image-replay-keeps-out 2 'exists already' "$hindvisor" replay "$t" --processor image -o "$work/same"
expect image-no-verdict-yet 2 'holds no report' "$hindvisor" replay "$t" --verdict "$work/same/disk"
boot_bochs "$work/same" "$work/same.out"
says image-replay-same "$work/same.out" 'replay: same: [1-9][0-9]* exits, [1-9][0-9]* state hashes'
expect image-verdict-same 0 'replay: same: ' "$hindvisor" replay "$t" --verdict "$work/same/disk"
"$build/tests/tamper" "$t" "$work/other" exit 500 value ^1 >/dev/null
expect image-verdict-of-another-trace 2 'from another trace' "$hindvisor" replay "$work/other" --verdict "$work/same/disk"
expect image-verdict-of-no-disk 2 'no trace disk' "$hindvisor" replay "$t" --verdict "$t/kernel"
"$hindvisor" replay "$work/other" --processor image -o "$work/differs" >/dev/null
boot_bochs "$work/differs" "$work/differs.out"
says image-replay-different "$work/differs.out" 'replay: different: the value written or given differs'
says image-replay-different-where "$work/differs.out" 'at exit 500, guest count'
expect image-verdict-different 1 'at exit 500 of' "$hindvisor" replay "$work/other" --verdict "$work/differs/disk"

# --- counting by exits, on a disk that has been used ------------------------------------------------------
x=$work/exits.trace
"${prepare[@]}" "$x" --count exits --clock host >"$work/out" 2>&1
# All but the header: an earlier recording lies where the new one goes.
dd if="$work/disk.full" of="$x/disk" bs=512 skip=1 seek=1 count=4096 conv=notrunc status=none
boot_bochs "$x" "$work/exits.out"
expect image-exits-repair 0 'recovered from the trace disk: 1 block' "$hindvisor" repair "$x"
expect image-exits-is-whole 0 '^state +whole' "$hindvisor" info "$x"
expect image-exits-replays 0 'replay: same: ' "$hindvisor" replay --quiet "$x"

exit $failed
