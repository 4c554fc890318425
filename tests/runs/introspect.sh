#!/bin/bash
# Looking into a guest: hooks on every instruction change nothing and miss nothing; the symbols and
# types found in the stock kernel's memory are those that the kernel itself lists, wherever it was
# put. The image's processor has no part in this: recordings are the software processor's.
#
# usage: tests/runs/introspect.sh [BUILD]
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

# --- the stock kernel -------------------------------------------------------------------------------
kernel=$("$root/tools/fetch-kernel" 2>"$work/out") || { result fetch-kernel 1 "$work/out"; exit 1; }
cat >"$work/init" <<'END'
#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
echo 0 >/proc/sys/kernel/kptr_restrict
echo "symbols $(grep -v '\[' /proc/kallsyms | md5sum)"
echo "types $(md5sum </sys/kernel/btf/vmlinux)"
poweroff -f
END
"$root/tools/mkinitramfs" "$work/initrd" --init "$work/init" 2>"$work/out" || { result make-initramfs 1 "$work/out"; exit 1; }

says() { sed -nE "s/^$1 ([0-9a-f]{32}) .*/\1/p" "$work/console"; }
for where in randomised nokaslr; do
    append="console=ttyS0 quiet"
    [ $where = randomised ] || append="$append nokaslr"
    timeout -k 5 600 "$hindvisor" record --kernel "$kernel" --initrd "$work/initrd" --append "$append" \
        -o "$work/trace" >"$work/console" 2>"$work/out" </dev/null
    result "linux-$where-records" $? "$work/out"
    sum=$("$introspect" symbols "$work/trace" 2>"$work/out" | md5sum)
    [ -n "$(says symbols)" ] && [ "$(says symbols)" = "${sum%% *}" ]
    result "linux-$where-symbols-are-those-of-proc-kallsyms" $? "$work/console" "$work/out"
    case $where in
    nokaslr) grep -q ' 0x0 from where it was linked; Linux version 6' "$work/out" ;;
    *) grep -qE ' 0x[1-9a-f][0-9a-f]* from where it was linked; Linux version 6' "$work/out" ;;
    esac
    result "linux-$where-offset" $? "$work/out"
    sum=$("$introspect" btf "$work/trace" 2>"$work/out" | md5sum)
    [ -n "$(says types)" ] && [ "$(says types)" = "${sum%% *}" ]
    result "linux-$where-types-are-those-of-sys-kernel-btf" $? "$work/console" "$work/out"
    rm -r "$work/trace"
done

exit $failed
