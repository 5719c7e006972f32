#!/usr/bin/env bash
# Measures Tessera beside its peers and writes docs/performance.md: installs the peers, builds what is measured as a release
# has it, and runs the bench with the options given here (--help lists them). Wants a quiet machine.
set -euo pipefail
cd "$(dirname "$0")/.."

# What cannot be installed is left out, aloud.
bench/install-peers.sh || true
cargo build --release --package cli --package bench
infra/bootstraps.sh
exec target/release/bench "$@"
