# Sourced by the Makefile's recipes and by people: where builds go and where the prebuilt RocksDB lies.
# Always the same values: a changed ROCKSDB_LIB_DIR would make cargo build RocksDB again.
export CARECORD_CACHE=${CARECORD_CACHE:-$HOME/.cache/carecord}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CARECORD_CACHE/target}
export ROCKSDB_LIB_DIR=$CARECORD_CACHE/rocksdb-0.19.0+11.8.1
export ROCKSDB_STATIC=1
BINDGEN_EXTRA_CLANG_ARGS=-I$(gcc -print-file-name=include)
export BINDGEN_EXTRA_CLANG_ARGS
