#!/bin/sh
# Compiles the crates of this workspace so that libFuzzer sees which ways they go. Others are left alone: their ways
# are not ours, and what the tests have compiled of them is used again.
exec "$@" --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares
