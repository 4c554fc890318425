#!/bin/sh
# The oracle for half an hour.
exec "$(dirname "$0")/oracle.sh" "${1:-build}" "${ORACLE_SECONDS:-1800}"
