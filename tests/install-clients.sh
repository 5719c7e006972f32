#!/usr/bin/env bash
# Installs the HTTP clients that people call the service with, into target/clients. Does nothing when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

axios=axios@1.21.1
requests=requests==2.34.2

folder=target/clients
wanted="$axios $requests"
if [[ -f "$folder/installed" && "$(cat "$folder/installed")" == "$wanted" ]]; then
  exit 0
fi
mkdir -p "$folder"
npm install --prefix "$folder" --no-save --no-audit --no-fund --ignore-scripts --loglevel=error "$axios"
python3 -m venv --clear "$folder/python"
"$folder/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$requests"
printf '%s\n' "$wanted" >"$folder/installed"
