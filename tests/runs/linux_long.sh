#!/bin/sh
# Ten noise seeds of the stock kernel under each clock policy, on each pair of processors.
exec "$(dirname "$0")/linux.sh" "${1:-build}" --seeds 10
