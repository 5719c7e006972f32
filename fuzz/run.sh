#!/usr/bin/env bash
# Fuzzes every target, or the one that is named, for so many seconds each: fuzz/run.sh [SECONDS [TARGET]].
# FUZZ_SEED makes a run begin like another one. Needs the stable toolchain and a C++ compiler. A crash is written to
# target/fuzz/crashes and shown; copied into the target's folder of fuzz/corpus, it is a test.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-60}"
only="${2:-}"

# The packages are those of the test command, so that what it has compiled of others is used again.
RUSTC_WORKSPACE_WRAPPER="$PWD/fuzz/rustc.sh" \
  cargo build --quiet --workspace --bin fuzz --features fuzz/libfuzzer

mkdir -p target/fuzz/crashes
targets=()
for folder in fuzz/corpus/*/; do
  target="$(basename "$folder")"
  if [[ -z "$only" || "$only" == "$target" ]]; then targets+=("$target"); fi
done
[[ ${#targets[@]} -gt 0 ]] || { echo "there is no target $only" >&2; exit 1; }

fuzz_one() {
  local target="$1" log="target/fuzz/$1.log" status=0
  mkdir -p "target/fuzz/corpus/$target"
  # What is found on the way goes into the first folder, which is not committed.
  FUZZ_TARGET="$target" target/debug/fuzz -seed="${FUZZ_SEED:-0}" -max_total_time="$2" -timeout=25 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="target/fuzz/crashes/$target-" \
    "target/fuzz/corpus/$target" "fuzz/corpus/$target" >"$log" 2>&1 || status=$?
  if [[ "$status" -ne 0 ]]; then
    echo "$target: crashed" >&2
    grep -vE '^#[0-9]+|^INFO' "$log" | tail -40 >&2
    return 1
  fi
  echo "$target: $(awk '/number_of_executed_units/ { print $2 }' "$log") inputs, $(ls "target/fuzz/corpus/$target" | wc -l) kept"
}
export -f fuzz_one
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c "fuzz_one {} $seconds"
