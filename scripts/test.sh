#!/usr/bin/env bash
# Runs every test, and counts the checks that were left out for want of test data or tools.
set -euo pipefail
CARECORD_LEFT_OUT=$(mktemp)
export CARECORD_LEFT_OUT
trap 'rm -f "$CARECORD_LEFT_OUT"' EXIT
status=0
cargo test --workspace --locked --no-fail-fast --quiet || status=$?
scripts/compat.sh || status=$?
echo "checks left out: $(sort -u "$CARECORD_LEFT_OUT" | wc -l)"
sort -u "$CARECORD_LEFT_OUT"
exit "$status"
