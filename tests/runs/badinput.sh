#!/bin/bash
# Bad input, each with its clear message: kernels, initial RAM disks, traces,
# a machine without Bochs, a disk that fills up. (cli.sh tries more of the command line against a
# stand-in; guests that go wild are among the test guests.)
#
# usage: tests/runs/badinput.sh [BUILD]
. "$(dirname "$0")/lib.sh"
guest=$guests/preempt.elf

# --- options -------------------------------------------------------------------------------------------
for command in record replay info dump repair doctor; do
    expect "$command-unknown-option" 2 'frob' "$hindvisor" $command --frob
    expect "$command-help" 0 '[Uu]sage' "$hindvisor" $command --help
done

# --- kernels ---------------------------------------------------------------------------------------------
refuse_kernel() { # NAME PATTERN FILE OPTION...
    local name=$1 pattern=$2 file=$3
    shift 3
    expect "kernel-$name" 2 "$pattern" "$hindvisor" record --quiet --kernel "$file" -o "$work/never" "$@"
    [ ! -e "$work/never" ]
    result "kernel-$name-leaves-no-trace" $?
}
bzimage=$("$root/tools/fetch-kernel" 2>/dev/null)
head -c 300 "$bzimage" >"$work/short"
head -c 5000000 "$bzimage" >"$work/half"
head -c 20000 /dev/urandom >"$work/noise"
head -c 40 "$guest" >"$work/short.elf"
head -c 6000 "$guest" >"$work/half.elf"
printf 'void f(void) {}\n' | gcc -m32 -ffreestanding -x c -c -o "$work/i386.o" -
refuse_kernel missing 'cannot read the kernel' "$work/none"
refuse_kernel header-cut 'kernel|short|cut|truncated' "$work/short"
refuse_kernel cut 'kernel|short|cut|truncated' "$work/half"
refuse_kernel noise 'is not a kernel' "$work/noise"
refuse_kernel elf-header-cut 'ELF|kernel' "$work/short.elf"
refuse_kernel elf-cut 'ELF|kernel|segment' "$work/half.elf"
refuse_kernel of-32-bit 'ELF|64|kernel' "$work/i386.o"
refuse_kernel shared-library 'ELF|kernel|executable' "$(ldd "$(command -v bash)" | grep -oE '/[^ ]*libc\.so[^ ]*')"
refuse_kernel too-large-for-memory 'memory|fit|RAM' "$bzimage" --memory 16M
truncate -s 200M "$work/large"
refuse_kernel initrd-does-not-fit 'initrd' "$bzimage" --initrd "$work/large" --memory 128M
refuse_kernel initrd-missing 'initrd' "$bzimage" --initrd "$work/none"

# --- traces -----------------------------------------------------------------------------------------------
trace=$work/trace
must_record preempt "$trace" --clock host --noise 1
fresh() { rm -rf "$work/bad" && cp -r "$trace" "$work/bad"; }
all_refuse() { # NAME PATTERN: info, dump and replay
    for command in info dump "replay --quiet"; do
        # shellcheck disable=SC2086
        expect "trace-$1-${command%% *}" 2 "$2" "$hindvisor" $command "$work/bad"
    done
}
rm -rf "$work/bad"
all_refuse missing 'bad'
mkdir "$work/bad"
all_refuse empty-directory 'manifest'
rm -rf "$work/bad"
cp "$guest" "$work/bad"
all_refuse file 'directory'
for file in manifest inputs observations; do
    fresh
    rm "$work/bad/$file"
    all_refuse "without-$file" "$file|manifest"
    fresh
    truncate -s $(($(stat -c %s "$trace/$file") / 2)) "$work/bad/$file"
    all_refuse "with-half-of-$file" "$file"
    fresh
    : >"$work/bad/$file"
    all_refuse "with-empty-$file" "$file|manifest"
done
rm -rf "$work/bad"
"$build/tests/tamper" "$trace" "$work/bad" --version 999 # with a right checksum
all_refuse of-another-version 'version 999'
fresh
rm "$work/bad/kernel"
expect trace-without-its-kernel 2 'kernel' "$hindvisor" replay --quiet "$work/bad"
fresh
cp "$guests/reset.elf" "$work/bad/kernel"
expect trace-with-another-kernel 2 'kernel.*(SHA-256|bytes)' "$hindvisor" replay --quiet "$work/bad"
expect repair-of-nothing 2 'manifest|no trace|none' "$hindvisor" repair "$work/none"
expect repair-of-a-whole-trace 0 '' "$hindvisor" repair "$trace"
expect replay-after-that-repair 0 'replay: same' "$hindvisor" replay --quiet "$trace"

# --- the machine --------------------------------------------------------------------------------------------
mkdir "$work/bare"
for tool in sh env rm mkdir; do ln -s "$(command -v $tool)" "$work/bare/"; done
bare=(env "PATH=$work/bare" "$hindvisor")
expect record-without-bochs 2 'apt-get install bochs' "${bare[@]}" record --quiet --processor bochs --kernel "$guest"
expect replay-without-bochs 2 'apt-get install bochs' "${bare[@]}" replay --quiet --processor bochs "$trace"
expect replay-needs-no-bochs 0 'replay: same' "${bare[@]}" replay --quiet "$trace"
expect doctor-without-bochs 0 'apt-get install bochs' "${bare[@]}" doctor

expect file-size-limit 2 'File too large|size limit|ulimit' \
    bash -c 'ulimit -f 1000; exec "$@"' - "$hindvisor" record --quiet --processor bochs --kernel "$guest" -o "$work/limited"
# On the software processor the trace grows past the limit (100 KiB) in the middle of the run.
long=$guests/long/many_blocks.elf
expect file-size-limit-in-the-middle 2 'no room was left' \
    bash -c 'ulimit -f 100; exec "$@"' - "$hindvisor" record --quiet --kernel "$long" -o "$work/cut"
expect file-size-limit-keeps-what-was-recorded 0 'replay: same' "$hindvisor" replay --quiet "$work/cut"
small=$work/small
if mkdir "$small" && mount -t tmpfs -o size=1m tmpfs "$small" 2>/dev/null; then
    trap 'umount "$small" 2>/dev/null; rm -rf "$work"' EXIT
    expect full-disk 2 'no room was left' "$hindvisor" record --quiet --processor bochs --kernel "$long" -o "$small/trace"
    rm -rf "$small/trace"
    mount -o remount,size=200k "$small"
    expect full-disk-in-process 2 'no room was left' "$hindvisor" record --quiet --kernel "$long" -o "$small/trace"
    expect full-disk-keeps-what-was-recorded 0 'replay: same' "$hindvisor" replay --quiet "$small/trace"
    umount "$small"
else
    echo "skip full-disk (needs root to mount a small tmpfs)"
fi

exit $failed
