#!/usr/bin/env bash
# Builds RocksDB once, as a static library in the cache, so that no profile and no clone compiles it again.
# Three quarters of a cold build are RocksDB; without this script cargo still works, only slower.
set -euo pipefail
cache=${CARECORD_CACHE:-$HOME/.cache/carecord}
version=0.19.0+11.8.1 # of librocksdb-sys; must equal Cargo.lock
lib=$cache/rocksdb-$version
[ -f "$lib/librocksdb.a" ] && exit 0

work=$cache/rocksdb-build
mkdir -p "$work/src" "$lib"
cat > "$work/Cargo.toml" <<TOML
[package]
name = "rocksdb-build"
version = "0.0.0"
edition = "2024"
[dependencies.librocksdb-sys]
version = "=$version"
default-features = false
features = ["lz4", "bindgen-runtime"]
[profile.release]
debug = false
[workspace]
TOML
echo > "$work/src/lib.rs"
echo "building RocksDB $version once (about 10 minutes on 2 cores) ..." >&2
(cd "$work" && env -u ROCKSDB_LIB_DIR -u ROCKSDB_STATIC CARGO_TARGET_DIR="$work/target" \
  BINDGEN_EXTRA_CLANG_ARGS="-I$(gcc -print-file-name=include)" cargo build --release)
find "$work/target/release/build" -name librocksdb.a -exec cp {} "$lib/librocksdb.a.part" \;
mv "$lib/librocksdb.a.part" "$lib/librocksdb.a"
rm -rf "$work"
