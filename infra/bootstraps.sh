#!/usr/bin/env bash
# Builds the bootstraps of all functions for this machine into target/lambda, as a release has them. Functions that link the
# same carriers of messages are built together: cargo gives everything that it builds in one call the features of all, and
# a deployment, which builds each from its own folder, would have less in it.
set -euo pipefail
cd "$(dirname "$0")/.."

export PATH="$PWD/.venv/bin:$PATH"
declare -A groups=()
for folder in functions/*/; do
  carriers="$(grep '^shared' "$folder/Cargo.toml")"
  groups[$carriers]+=" --package $(basename "$folder")"
done
for packages in "${groups[@]}"; do
  # Without the linker for other machines. The words are meant to be split.
  # shellcheck disable=SC2086
  cargo lambda build --release --compiler cargo --lambda-dir target/lambda $packages
done
