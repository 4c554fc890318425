#!/bin/bash
# Looking into a guest: hooks on every instruction change nothing and miss nothing; the symbols and
# types found in the stock kernel's memory are those that the kernel itself lists, wherever it was
# put, and its switches of tasks those that it counts. The image's processor has no part in this:
# recordings are the software processor's.
#
# usage: tests/runs/introspect.sh [BUILD [VMLINUZ...]]   (kernels to look into besides Debian 12's)
. "$(dirname "$0")/lib.sh"
unset HINDVISOR_PROCESSOR
introspect=$build/tests/introspect

# --- hooks: also where guests put code of other modes, or of pages with other rights ---------------
for guest in async_string async_user double_fault exceptions inject modes msr paging_rights port_strings \
    shadow_step time_stamp wild; do
    must_record "$guest" "$work/trace"
    expect "hooks-on-every-instruction-of-$guest" 0 'calls [1-9][0-9]{4,}' \
        "$introspect" hooks "$work/trace" 0x30000 0x32000 0x400000 0x410000 0x40000000 0x40001000
    rm -r "$work/trace"
done

# --- stock kernels ----------------------------------------------------------------------------------
cat >"$work/init" <<'END'
#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tracefs tracefs /sys/kernel/tracing
echo 0 >/proc/sys/kernel/kptr_restrict
echo "symbols $(grep -v '\[' /proc/kallsyms | md5sum)"
echo "types $(md5sum </sys/kernel/btf/vmlinux)"
witness /sys/kernel/tracing 20000 | sed 's/^/W /'
poweroff -f
END
"$root/tools/mkinitramfs" "$work/initrd" --init "$work/init" --add "$build/tests/scheduler" 2>"$work/out" ||
    { result make-initramfs 1 "$work/out"; exit 1; }

says() { sed -nE "s/^$1 ([0-9a-f]{32}) .*/\1/p" "$work/console"; }
# look NAME VMLINUZ OPTION...: boots it with these options and looks into it; the banner and where it
# was are in $work/found
look() {
    local name=$1 kernel=$2 sum
    shift 2
    timeout -k 5 600 "$hindvisor" record --kernel "$kernel" --initrd "$work/initrd" --append "console=ttyS0 quiet $*" \
        -o "$work/trace" >"$work/console" 2>"$work/out" </dev/null
    result "$name-records" $? "$work/out"
    sum=$("$introspect" symbols "$work/trace" 2>"$work/found" | md5sum)
    [ -n "$(says symbols)" ] && [ "$(says symbols)" = "${sum%% *}" ]
    result "$name-symbols-are-those-of-proc-kallsyms" $? "$work/console" "$work/found"
    sum=$("$introspect" btf "$work/trace" 2>"$work/out" | md5sum)
    [ -n "$(says types)" ] && [ "$(says types)" = "${sum%% *}" ]
    result "$name-types-are-those-of-sys-kernel-btf" $? "$work/console" "$work/out"
}
# look_at_tasks NAME: its switches are those of /proc/stat, exactly, at four readings
look_at_tasks() {
    "$hindvisor" analyze scheduler "$work/trace" --show log --format csv >"$work/events" 2>"$work/out"
    "$hindvisor" analyze exits "$work/trace" --show log --format csv >"$work/exits" 2>>"$work/out"
    awk -f "$root/tests/scheduler/compare.awk" events=1 "$work/events" events=0 exits=1 "$work/exits" exits=0 \
        "$work/console" >"$work/compared"
    grep -q '^ctxt 4 0 0 0' "$work/compared" && grep -q '^disturbed 0 ' "$work/compared"
    result "$1-switches-are-those-of-proc-stat" $? "$work/compared" "$work/out"
}

kernel=$("$root/tools/fetch-kernel" 2>"$work/out") || { result fetch-kernel 1 "$work/out"; exit 1; }
look linux-randomised "$kernel"
grep -qE ' 0x[1-9a-f][0-9a-f]* from where it was linked; Linux version 6' "$work/found"
result linux-randomised-offset $? "$work/found"
look_at_tasks linux
rm -r "$work/trace"
look linux-nokaslr "$kernel" nokaslr
grep -q ' 0x0 from where it was linked; Linux version 6' "$work/found"
result linux-nokaslr-offset $? "$work/found"
rm -r "$work/trace"

# Another year's: other tables, and another scheduler.
newer=$("$root/tools/fetch-kernel" --newer 2>"$work/out")
result fetch-newer-kernel $? "$work/out"
for kernel in $newer "${@:2}"; do
    name=$(basename "$kernel")
    look "$name" "$kernel"
    look_at_tasks "$name"
    rm -r "$work/trace"
done

exit $failed
