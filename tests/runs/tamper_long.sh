#!/bin/sh
# The same under Bochs.
HINDVISOR_PROCESSOR=bochs exec "$(dirname "$0")/tamper.sh" "${1:-build}"
