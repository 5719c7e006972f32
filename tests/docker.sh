#!/usr/bin/env bash
# A Docker engine for `sam local`, with the one image that it needs and without a registry:
#
#   tests/docker.sh start FOLDER BOOTSTRAP   writes FOLDER/env, which says where the engine is, to be sourced
#   tests/docker.sh stop FOLDER              ends the engine, if it was started here
#
# An engine that answers already is used and left alone. Otherwise Debian's is installed and started. Ends with 3, and
# says why, where none can run; whatever else goes wrong is a failure. The image is a shell, the C library of this
# machine and whatever else BOOTSTRAP is linked with: it shows that the function runs in a container, not that it runs
# on Amazon Linux.
set -euo pipefail

readonly CANNOT=3
folder="${2:?a folder}"
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"

cannot() {
  echo "no Docker engine can run here: $1" >&2
  exit "$CANNOT"
}

# The engine's API, without a client.
api() {
  curl --silent --show-error --fail --unix-socket "${DOCKER_HOST#unix://}" "$@"
}

has_engine() {
  [[ "$DOCKER_HOST" == unix://* ]] && api --max-time 5 http://docker/_ping >/dev/null 2>&1
}

# Mounts and networks are the administrator's, and a sandbox may have taken either away.
check_rights() {
  [[ "$(id -u)" == 0 ]] || cannot "it must be started as root"
  local rights name bit
  rights="$(awk '/^CapEff/ { print $2 }' /proc/self/status)"
  for name in CAP_NET_ADMIN=12 CAP_SYS_ADMIN=21; do
    bit="${name#*=}"
    (( 0x$rights >> bit & 1 )) || cannot "${name%=*} is missing"
  done
  grep -q ' cgroup' /proc/mounts || cannot "no control groups are mounted"
}

start_engine() {
  check_rights
  if ! command -v dockerd >/dev/null || ! command -v busybox >/dev/null; then
    command -v apt-get >/dev/null || cannot "dockerd and busybox are missing, and this is no Debian"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends docker.io busybox-static
  fi
  # No firewall rules: the containers reach nobody but this machine.
  dockerd --iptables=false --ip6tables=false --host "$DOCKER_HOST" --pidfile "$folder/pid" \
    --data-root "$folder/data" --exec-root "$folder/exec" >"$folder/log" 2>&1 </dev/null &
  local engine=$!
  for _ in {1..150}; do
    has_engine && return
    kill -0 "$engine" 2>/dev/null || break
    sleep 0.2
  done
  tail -20 "$folder/log" >&2
  if grep -qi 'not permitted\|permission denied\|not supported\|cgroup.*not mounted' "$folder/log"; then
    cannot "the kernel does not let it, see above"
  fi
  echo "the engine does not start, see above" >&2
  exit 1
}

# A file system with a shell for the commands by which SAM adds its emulator, and what the functions need of the system.
import_image() {
  local bootstrap="$1" tag="$2" root
  root="$(mktemp -d)"
  mkdir -p "$root"/{bin,dev,etc/pki/tls/certs,opt,proc,sys,tmp,usr/bin,var/runtime,var/task}
  cp "$(command -v busybox)" "$root/bin/busybox"
  local name library
  for name in sh mv chmod cp rm; do
    ln -s busybox "$root/bin/$name"
  done
  # A shell that is linked statically has nothing to list.
  { ldd "$bootstrap"; ldd "$root/bin/busybox" || true; } 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$root/$(dirname "$library")"
    cp --dereference "$library" "$root/$library"
  done
  # Where Amazon Linux has them.
  cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/pki/tls/certs/ca-bundle.crt"
  tar --directory "$root" --create . |
    api --request POST --header 'content-type: application/x-tar' --data-binary @- \
      "http://docker/images/create?fromSrc=-&repo=public.ecr.aws/lambda/provided&tag=$tag" >/dev/null
  rm -r "$root"
}

case "${1:-}" in
  start)
    bootstrap="${3:?a built function}"
    export DOCKER_HOST="${DOCKER_HOST:-unix:///var/run/docker.sock}"
    if ! has_engine; then
      DOCKER_HOST="unix://$folder/socket"
      has_engine || start_engine
    fi
    machine="$(uname -m)"
    import_image "$bootstrap" "al2023-${machine/aarch64/arm64}"
    # Where a container finds this machine.
    gateway="$(api http://docker/networks/bridge | grep -o '"Gateway":"[^"]*"' | head -1 | cut -d'"' -f4)"
    printf 'export DOCKER_HOST=%q TESSERA_DOCKER_GATEWAY=%q\n' "$DOCKER_HOST" "$gateway" >"$folder/env"
    ;;
  stop)
    if [[ -f "$folder/pid" ]]; then
      engine="$(cat "$folder/pid")"
      kill "$engine" 2>/dev/null || true
      for _ in {1..100}; do
        kill -0 "$engine" 2>/dev/null || break
        sleep 0.1
      done
      # Containers' layers and nothing else.
      rm -rf "$folder/data" "$folder/exec" "$folder/env"
    fi
    ;;
  *)
    echo "usage: $0 start FOLDER BOOTSTRAP | stop FOLDER" >&2
    exit 2
    ;;
esac
