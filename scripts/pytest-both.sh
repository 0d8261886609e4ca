#!/usr/bin/env bash
# pytest-both.sh PYTEST PATH...: every test on SQLite and, beside it on the other core, PATHs on PostgreSQL.
set -uo pipefail
pytest=$1
shift
temporary=$(mktemp -d -t tw-XXXX)
chmod 755 "$temporary" # PostgreSQL runs as a user of its own
trap 'rm -rf "$temporary"' EXIT
trap 'kill 0' INT TERM
echo "on SQLite; on PostgreSQL beside it, told at the end"
TMPDIR=$temporary TOLLWAY_TEST_PORTS=26000 TOLLWAY_TEST_DATABASE=postgresql TOLLWAY_TEST_KILLS=8 \
  "$pytest" -q -p no:cacheprovider -m "not one_database" "$@" >"$temporary/out" 2>&1 &
beside=$!
TOLLWAY_TEST_PORTS=20000 "$pytest" -q
sqlite=$?
wait "$beside"
postgresql=$?
echo "on PostgreSQL:"
cat "$temporary/out"
exit $((sqlite != 0 || postgresql != 0))
