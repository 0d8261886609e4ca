#!/usr/bin/env bash
# scripts/sanitize.sh: the tests of the modules that may use `unsafe`, under AddressSanitizer.
# The compiler's sanitizers aren't stable by name; RUSTC_BOOTSTRAP lets the stable compiler have them, here and nowhere else.
set -euo pipefail
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer"
# The generator of events in these tests gives its paths away for good.
export ASAN_OPTIONS=detect_leaks=0
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/sanitize-address
cargo test --quiet --locked --target "$host" -p tollway-engine --lib -- usage_log:: limits:: server::
