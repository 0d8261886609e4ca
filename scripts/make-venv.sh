#!/usr/bin/env bash
# make-venv.sh PYTHON DIR: a virtual environment with the pinned uv in it.
set -euo pipefail
python=$1 dir=$2
uv_pin=$(grep -oE '"uv==[0-9.]+"' pyproject.toml | tr -d '"')
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  echo "$python has no ensurepip; installing Debian's python3-venv"
  if [ "$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq python3-venv
  else echo "run this, then make again:  sudo apt-get install python3-venv" >&2; exit 1; fi
fi
"$python" -m venv --clear "$dir"
"$dir/bin/python" -m pip install --quiet --disable-pip-version-check "$uv_pin"
