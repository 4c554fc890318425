# Boots of stock kernels, recorded and replayed, two at a time; sourced after lib.sh by the suites
# that are made of them. A run is a line `RECORDER REPLAYER KERNEL CLOCK SEED` (processors; `cloud`
# or `full`; SEED `none`: no noise). Its trace is $traces/ and these words joined by `-`; beside it
# are .console, .record, .recorded (exit status), .again, .replay, .replayed.
# shellcheck shell=bash disable=SC2154 # lib.sh gives root, hindvisor and work
traces=$work/traces
mkdir "$traces"

# fetch_kernels NAME...: cloud, full
fetch_kernels() {
    local name
    for name in "$@"; do
        "$root/tools/fetch-kernel" "--$name" >"$work/kernel-$name" 2>"$work/out" ||
            { result "fetch-kernel-$name" 1 "$work/out"; exit 1; }
    done
}

# make_initrd OPTION...: of tools/mkinitramfs
make_initrd() {
    "$root/tools/mkinitramfs" "$work/initrd" "$@" 2>"$work/out" || { result make-initramfs 1 "$work/out"; exit 1; }
}

# One recording and its replay; what came out of them is judged later, in order.
boot() { # RECORDER REPLAYER KERNEL CLOCK SEED
    local at=$traces/$1-$2-$3-$4-$5 noise=()
    [ "$5" = none ] || noise=(--noise "$5")
    timeout -k 5 900 "$hindvisor" record --processor "$1" --kernel "$(cat "$work/kernel-$3")" --initrd "$work/initrd" \
        --append "console=ttyS0 panic=-1" --clock "$4" "${noise[@]}" -o "$at" >"$at.console" 2>"$at.record" </dev/null
    echo $? >"$at.recorded"
    timeout -k 5 900 "$hindvisor" replay --processor "$2" "$at" >"$at.again" 2>"$at.replay" </dev/null
    echo $? >"$at.replayed"
}

# boot_all: the runs on stdin
boot_all() {
    export -f boot
    export hindvisor work traces
    # shellcheck disable=SC2016
    tr '\n' '\0' | xargs -0 -P 2 -I{} bash -c 'set -- {}; boot "$@"'
}

# Powered off by the guest, with that line on its console; replayed without a difference; the same
# on the console.
judge_boot() { # SUITE NAME LINE
    local at=$traces/$2
    [ "$(cat "$at.recorded")" = 0 ] && grep -q 'recorded: the guest powered off' "$at.record" &&
        grep -aq "$3" "$at.console"
    result "$1-records-$2" $? "$at.console" "$at.record"
    [ "$(cat "$at.replayed")" = 0 ] && grep -q 'replay: same: .* 0 divergences' "$at.replay"
    result "$1-replays-$2" $? "$at.replay"
    cmp -s "$at.console" "$at.again"
    result "$1-console-$2-is-the-same-again" $? "$at.again"
    grep -E '^replay: ' "$at.replay" | sed 's/^/    /'
}
