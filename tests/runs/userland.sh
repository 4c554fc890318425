#!/bin/bash
# Stock userlands on stock kernels: Debian's cloud and full kernel boot, run busybox, gzip,
# sha256sum, perl, sqlite3 and the dynamic loader on fixed input (tests/userland/init), and power
# off; recorded under both clocks, with and without noise, and replayed without a difference. Each
# result is compared with what another implementation computed.
#
# usage: tests/runs/userland.sh [BUILD] [--seeds N]    N noise seeds for each kernel and clock;
#                                                      without it: a few of all
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/boots.sh"

fetch_kernels cloud full
tree=$("$root/tools/fetch-userland" "$root/build/guests/userland" 2>"$work/out") || { result fetch-userland 1 "$work/out"; exit 1; }
make_initrd --init "$root/tests/userland/init" --add "$tree"

# From Python's integers, math and hashlib, but the loader's: the six libraries that readelf names.
cat >"$work/expected" <<'END'
busybox-sort 47430ba0165cae5cc8727b6d7eea3d1d
busybox-awk 2666866670000
busybox-shell 883264
gzip-then-gunzip 44969d026ed4164dbe77d48d4d359e98ac4057008cafd61723be72bff83e5fd4
gzip-test good
sha256sum cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0
perl-primes 454396537
perl-float 1.644924067 2.718281828 3.141592654
perl-words 18893,30000,30000,30000,30000,20001,20000,20000,20000,20000
perl-processes 3080
perl-alarm 3
sqlite 12502500|00005|10006|5000|250.050000 08906 ok
loader 6
done
END

list_runs() { # [SEEDS]
    local kernel seed
    if [ $# = 0 ]; then
        echo "cloud count none
            cloud count 1
            cloud host 2
            full count none
            full host 3" | sed 's/^ *//'
        return
    fi
    for kernel in cloud full; do
        echo "$kernel count none"
        for seed in $(seq "$1"); do
            printf '%s\n' "$kernel count $seed" "$kernel host $((seed + $1))"
        done
    done
}
if [ "${2:-}" = --seeds ]; then runs=$(list_runs "$3"); else runs=$(list_runs); fi
runs=$(sed 's/^/software software /' <<<"$runs")
boot_all <<<"$runs"

for name in $(tr ' ' - <<<"$runs"); do
    tr -d '\r' <"$traces/$name.console" | sed -n 's/^userland: //p' | sed 's/ *$//' >"$work/printed"
    diff "$work/expected" "$work/printed" >"$work/difference"
    result "userland-$name-computes-what-it-must" $? "$work/difference"
    judge_boot userland "$name" 'userland: done'
done
exit $failed
