#!/usr/bin/env bash
# Installs what the build needs and a bare Debian machine lacks; says in one line what it cannot install.
# `setup.sh test` adds what the foreign clients of scripts/compat.sh need.
set -euo pipefail

if ! command -v cargo >/dev/null; then
  echo "carecord: Rust is missing; install the toolchain named in Cargo.toml (rust-version), then run this again" >&2
  exit 1
fi

needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")
found=$(rustc --version | cut -d' ' -f2)
if [ "$(printf '%s\n%s\n' "$needed" "$found" | sort -V | head -n 1)" != "$needed" ]; then
  echo "carecord: Rust $needed or newer is needed, $found is installed; update it, then run this again" >&2
  exit 1
fi

missing=()
command -v g++ >/dev/null || missing+=(g++)
command -v make >/dev/null || missing+=(make)
command -v pkg-config >/dev/null || missing+=(pkg-config)
dpkg -s libssl-dev >/dev/null 2>&1 || missing+=(libssl-dev)
# bindgen reads RocksDB's C header with libclang, any version
ls /usr/lib/*/libclang-[0-9]*.so* /usr/lib/llvm-*/lib/libclang*.so* 2>/dev/null | grep -qv cpp || missing+=(libclang1)
if [ "${1:-}" = test ]; then
  command -v protoc >/dev/null || missing+=(protobuf-compiler)
  dpkg -s libprotobuf-dev >/dev/null 2>&1 || missing+=(libprotobuf-dev)
  command -v npm >/dev/null || missing+=(npm)
fi
[ ${#missing[@]} -eq 0 ] && exit 0

run=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "carecord: missing packages: ${missing[*]}; install them as root, then run this again" >&2
    exit 1
  }
  run=(sudo)
fi
echo "installing ${missing[*]} ..." >&2
"${run[@]}" apt-get update -qq
# Debian names libclang by its version: 14 is the one that is tried, else the newest that this release has.
libclang=libclang1-14
apt-cache show "$libclang" >/dev/null 2>&1 ||
  libclang=$(apt-cache search --names-only '^libclang1-[0-9]+$' | cut -d' ' -f1 | sort -V | tail -n 1)
missing=("${missing[@]/#libclang1/$libclang}")
"${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
