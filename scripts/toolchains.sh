#!/usr/bin/env bash
# Checks the toolchains that make can't install and prints the one command to get each.
set -euo pipefail
missing=0
need() { # need COMMAND MINIMUM VERSION-COMMAND HOW-TO-GET-IT
  local have
  have=$(eval "$3" 2>/dev/null | grep -oE '[0-9]+\.[0-9]+(\.[0-9]+)?' | head -n 1) || true
  if [ -z "$have" ]; then
    echo "missing: $1 (>= $2). Get it with:  $4" >&2; missing=1
  elif [ "$(printf '%s\n%s\n' "$2" "$have" | sort -V | head -n 1)" != "$2" ]; then
    echo "too old: $1 $have (needs >= $2). Get it with:  $4" >&2; missing=1
  fi
}
need "${PYTHON:-python3}" 3.11 "${PYTHON:-python3} --version" "apt-get install python3 python3-venv"
need cargo 1.90 "cargo --version" "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
need cc 8.0 "cc -dumpfullversion" "apt-get install build-essential"
need c++ 8.0 "c++ -dumpfullversion" "apt-get install build-essential"
exit $missing
