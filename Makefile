# Everything a person runs. Recipes source scripts/env.sh: builds go to a cache outside the checkout, so that a
# second clone does not compile the world again.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
.DEFAULT_GOAL := help

## demo: bring up a network of seven processes and run the main job on it (release build)
demo: setup
	. scripts/env.sh
	echo "building carecord (minutes the first time, seconds after) ..." >&2
	cargo build --release --locked -p carecord --bin carecord
	"$$CARGO_TARGET_DIR/release/carecord" demo $(ARGS)

## test: all tests; those that need foreign test data say when it is missing
test: setup
	scripts/setup.sh test
	. scripts/env.sh
	scripts/test.sh

## acceptance: every claim as a named check: GROUP=network or ONLY=name, SCALE=0.1 for shorter runs
acceptance: setup
	. scripts/env.sh
	echo "building carecord (minutes the first time, seconds after) ..." >&2
	cargo build --release --locked -p carecord --bins
	"$$CARGO_TARGET_DIR/release/carecord-acceptance"

## lint: formatting and clippy, warnings are errors
lint: setup
	. scripts/env.sh
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

## setup: what a bare Debian machine lacks, and RocksDB built once into the cache
setup:
	scripts/setup.sh
	scripts/rocksdb.sh

help:
	@sed -n 's/^## //p' Makefile

.PHONY: demo test acceptance lint setup help
