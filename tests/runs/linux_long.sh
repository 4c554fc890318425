#!/bin/sh
# Ten noise seeds of the stock kernel under each clock policy.
exec "$(dirname "$0")/linux.sh" "${1:-build}" --seeds 10
