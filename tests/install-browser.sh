#!/usr/bin/env bash
# Installs the browser that tests/tests/browser.rs drives, from the packages of Debian or Ubuntu. Does nothing when it
# is there. Elsewhere, any Chromium or Chrome with its chromedriver on the PATH will do.
set -euo pipefail

if command -v chromedriver >/dev/null; then
  exit 0
fi
as_root=()
if [[ "$(id -u)" != 0 ]]; then
  as_root=(sudo)
fi
packages=(chromium chromium-driver fonts-wqy-microhei)
if ! apt-cache show chromium-driver >/dev/null 2>&1; then
  packages=(chromium-browser chromium-chromedriver fonts-wqy-microhei)
fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}"
