#!/usr/bin/env bash
# Measures Tessera beside its peers and writes docs/performance.md: installs the peers, builds what is measured as a release
# has it, and runs the bench with the options given here (--help lists them). Wants a quiet machine.
set -euo pipefail
cd "$(dirname "$0")/.."

export PATH="$PWD/.venv/bin:$PATH"
# What cannot be installed is left out, aloud.
bench/install-peers.sh || true
cargo build --release --package cli --package bench
packages=()
for folder in functions/*/; do
  packages+=(--package "$(basename "$folder")")
done
cargo lambda build --release --compiler cargo --lambda-dir target/lambda "${packages[@]}"
exec target/release/bench "$@"
