#!/usr/bin/env bash
# Runs foreign clients, unmodified, against a network of ours: the npm packages for gateway and CA, and the crate fabric-sdk.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
npm_arch() { [ "$(uname -m)" = aarch64 ] && echo arm64 || echo x64; }
left_out() { echo "left out: $1" | tee -a "${CARECORD_LEFT_OUT:-/dev/null}" >&2; }

if [ -z "${CARECORD_BIN:-}" ]; then
  cargo build --locked --quiet -p carecord --bin carecord
  export CARECORD_BIN=$CARGO_TARGET_DIR/debug/carecord
fi

# One network for both; its folder stays if something fails, for its logs.
CARECORD_NETWORK=$(mktemp -d -t carecord-compat-XXXXXX)
export CARECORD_NETWORK
status=0
down() {
  local code=$?
  "$CARECORD_BIN" --quiet network down --dir "$CARECORD_NETWORK" >/dev/null || true
  [ "$code" -ne 0 ] || rm -rf "$CARECORD_NETWORK"
  [ "$code" -eq 0 ] || echo "the network's folder with its logs stays: $CARECORD_NETWORK" >&2
}
trap down EXIT
"$CARECORD_BIN" --quiet network up --ca --topology network/compat/topology.toml --dir "$CARECORD_NETWORK" --detach >/dev/null

node_major() { node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }
# Debian's own Node is older than the gateway package wants; the npm registry has the one that fits.
PATH=$CARECORD_CACHE/node/node_modules/node-linux-$(npm_arch)/bin:$PATH
if [ "$(node_major)" -lt 20 ] && command -v npm >/dev/null; then
  npm install --silent --no-audit --no-fund --prefix "$CARECORD_CACHE/node" "node-linux-$(npm_arch)@20" >/dev/null || true
fi
if [ "$(node_major)" -ge 20 ] && command -v npm >/dev/null; then
  (
    cd network/compat/node
    npm ci --silent --prefer-offline --no-audit --no-fund
    npm test --silent
  ) || status=1
else
  left_out "official Node gateway (needs Node 20 and npm)"
fi

if command -v protoc >/dev/null && ls /usr/include/google/protobuf/empty.proto >/dev/null 2>&1; then
  (
    cd network/compat/rust
    CARGO_TARGET_DIR=$CARECORD_CACHE/compat-target cargo test --locked --quiet
  ) || status=1
else
  left_out "independent Rust client fabric-sdk (needs protobuf-compiler and libprotobuf-dev)"
fi
exit "$status"
