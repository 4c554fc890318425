#!/bin/bash
# Carriers that lack something: each missing capability is named, and nothing is recorded. (CPU
# models of Bochs without VMX or EPT: see guests.sh; machines booted by hand: image.sh.)
#
# usage: tests/runs/carrier.sh [BUILD]
# shellcheck source=tests/runs/lib.sh disable=SC2154
. "$(dirname "$0")/lib.sh"
guest=$guests/power_off.elf

expect qemu-without-vtx 2 'this processor lacks.*VT-x' \
    env HINDVISOR_QEMU_ACCEL=tcg "$hindvisor" record --quiet --processor kvm --kernel "$guest" -o "$work/tcg"
[ ! -e "$work/tcg" ]
result qemu-without-vtx-leaves-no-trace $?
if [ ! -e /dev/kvm ]; then
    expect no-kvm 2 '/dev/kvm.*nested VT-x' "$hindvisor" record --quiet --processor kvm --kernel "$guest"
fi
mkdir "$work/bare"
for tool in sh env rm mkdir; do ln -s "$(command -v $tool)" "$work/bare/"; done
expect no-qemu 2 'apt-get install qemu-system-x86' \
    env "PATH=$work/bare" "$hindvisor" record --quiet --processor kvm --kernel "$guest"
exit $failed
