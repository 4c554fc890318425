#!/bin/sh
# Ten noise seeds of the stock userland on each kernel under each clock policy.
exec "$(dirname "$0")/userland.sh" "${1:-build}" --seeds 10
