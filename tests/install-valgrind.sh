#!/usr/bin/env bash
# Installs valgrind, which counts the instructions of the built functions, from Debian. Does nothing when it is there.
set -euo pipefail

if command -v valgrind >/dev/null; then
  exit 0
fi
as_root=()
if [[ "$(id -u)" != 0 ]]; then
  as_root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends valgrind >/dev/null
