#!/bin/sh
# The house rules that a script can check: see .ci/layout.
exec "$(dirname "$0")/../../.ci/layout" --report
