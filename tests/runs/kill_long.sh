#!/bin/sh
# Twenty moments under Bochs as well.
KILLS=20 exec "$(dirname "$0")/kill.sh" "${1:-build}"
