#!/usr/bin/env bash
# Installs the peers that the bench measures beside us into target/peers, and glewlwyd from Debian. Does nothing when all
# is there. What cannot be installed is said at the end: the bench leaves it out and says so, too.
set -uo pipefail
cd "$(dirname "$0")/.."

# The newest of the long-term line that Lambda runs, too, so that no peer depends on what this machine happens to have.
node_version=24.21.0
folder="$PWD/target/peers"
missing=()

install_node() {
  local package
  package="node-linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')"
  if ! { cmp -s bench/peers/package.json "$folder/package.json" && [[ -f "$folder/node-installed" ]]; }; then
    rm -rf "$folder/node-installed" "$folder/node_modules" "$folder/package-lock.json"
    cp bench/peers/package.json "$folder"
    # The addon of better-sqlite3 is compiled for this very Node.js, with the headers that come with it.
    npm install --prefix "$folder" --no-save --no-audit --no-fund --ignore-scripts --loglevel=error "$package@$node_version" &&
      ln -sfn "$folder/node_modules/$package/bin/node" "$folder/node" &&
      PATH="$folder/node_modules/$package/bin:$PATH" npm_config_nodedir="$folder/node_modules/$package" \
        npm rebuild --prefix "$folder" --loglevel=error better-sqlite3 &&
      touch "$folder/node-installed"
  fi
}

install_python() {
  if ! { cmp -s bench/peers/requirements.txt "$folder/requirements.txt" && [[ -f "$folder/python-installed" ]]; }; then
    rm -f "$folder/python-installed"
    cp bench/peers/requirements.txt "$folder"
    python3 -m venv --clear "$folder/venv" &&
      "$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -r "$folder/requirements.txt" &&
      touch "$folder/python-installed"
  fi
}

install_glewlwyd() {
  if ! command -v glewlwyd >/dev/null; then
    local as_root=()
    [[ "$(id -u)" == 0 ]] || as_root=(sudo)
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get update -qq && "${as_root[@]}" apt-get install -y -qq --no-install-recommends glewlwyd >/dev/null
  fi
}

mkdir -p "$folder"
install_node || missing+=("the peers in JavaScript")
install_python || missing+=("the peers in Python")
install_glewlwyd || missing+=(glewlwyd)
# Where they find what they import.
cp bench/peers/*.mjs bench/peers/*.py "$folder"
if ((${#missing[@]})); then
  printf 'NOT INSTALLED, and left out by the bench: %s\n' "${missing[@]}" >&2
  exit 1
fi
