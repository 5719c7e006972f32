#!/usr/bin/env bash
# Installs the published browser SDK of the v1 API, which tests/tests/sdk drives, into target/sdk. Does nothing when
# it is there.
set -euo pipefail
cd "$(dirname "$0")/.."

sdk=oauthapp@1.9.9
# The very bytes that the test was written for.
sha512=eYiBU2cfoDmOB4yUXfSRcovHn9v5xb0aoGAB7PtjPsSqB6YC01O2DHRZhEI6w8HHmx0q374TFn0X5VoTIVqG3Q==

folder=target/sdk
if [[ -f "$folder/installed" && "$(cat "$folder/installed")" == "$sdk" ]]; then
  exit 0
fi
mkdir -p "$folder"
archive="$folder/$(npm pack --pack-destination "$folder" --loglevel=error "$sdk")"
found="$(openssl dgst -sha512 -binary "$archive" | openssl base64 -A)"
if [[ "$found" != "$sha512" ]]; then
  echo "$sdk is not the package that it was: $found" >&2
  exit 1
fi
npm install --prefix "$folder" --no-save --no-audit --no-fund --ignore-scripts --loglevel=error "$archive"
printf '%s\n' "$sdk" >"$folder/installed"
