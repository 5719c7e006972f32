#!/usr/bin/env bash
# Runs all tests, and writes docs/security-figures.md anew from what they tried.
set -euo pipefail
cd "$(dirname "$0")/.."

rm -rf target/debug/recorded-cases
cargo test --workspace | tee target/tests.log
UPDATE_DOCS=1 TESSERA_TEST_LOG="$PWD/target/tests.log" cargo test --workspace --test figures
