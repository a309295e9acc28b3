#!/usr/bin/env bash
# Runs the official clients, unmodified, against a network of ours: the npm gateway package.
set -euo pipefail
left_out() { echo "left out: $1" | tee -a "${CARECORD_LEFT_OUT:-/dev/null}" >&2; }
node_major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
if [ "$node_major" -lt 20 ] || ! command -v npm >/dev/null; then
  left_out "official Node gateway (needs Node 20 and npm)"
  exit 0
fi
[ -f network/compat/node/package.json ] || exit 0
cd network/compat/node
npm ci --silent --no-audit --no-fund
exec npm test --silent
