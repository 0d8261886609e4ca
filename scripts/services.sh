#!/usr/bin/env bash
# Installs the Debian packages of the real servers and the browser that tests run against; quick when all are there.
set -euo pipefail
packages=()
need() { # need PACKAGE PATH...: the package is there if one of the paths is
  local package=$1 path
  shift
  for path in "$@"; do [ -e "$path" ] && return; done
  packages+=("$package")
}
need chromium /usr/bin/chromium
need postgresql /usr/lib/postgresql/*/bin/initdb
need redis-server /usr/bin/redis-server
need rabbitmq-server /usr/sbin/rabbitmq-server
need poppler-utils /usr/bin/pdftotext
need nginx-light /usr/sbin/nginx
need curl /usr/bin/curl
[ "${#packages[@]}" = 0 ] && exit 0
echo "installing ${packages[*]} (Debian packages; the first time only)"
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
# Tests start servers of their own, each with its data in a temporary folder: the packages' must not run.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod +x "$policy"
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
