#!/bin/sh
# The fuzz targets for ten minutes each.
FUZZ_SECONDS=${FUZZ_SECONDS:-600} exec "$(dirname "$0")/fuzz.sh" "$@"
