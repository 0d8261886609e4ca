#!/usr/bin/env bash
# scripts/fuzz.sh SECONDS [TARGET...]: runs the fuzz targets so long each, as many at a time as there are processors.
# On stable Rust: the instrumentation is the compiler's own pass, named by its flags. What the targets find interesting stays in
# .build/fuzz/corpus, and what makes one fail in .build/fuzz/failures.
set -euo pipefail
seconds=$1
shift
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
build=$PWD/.build/fuzz
target=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
flags="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
flags+=" -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
# Not --locked: the lock follows the dependencies of the engine. With --target, build scripts and macros are built without the flags.
RUSTFLAGS=$flags CARGO_TARGET_DIR=$target cargo build --quiet --release --manifest-path fuzz/Cargo.toml --target "$host"
mkdir -p "$build/logs" "$build/failures"
programs=$target/$host/release
python3 fuzz/seeds.py "$build/corpus"
[ $# -gt 0 ] || set -- $(cd fuzz/targets && basename -s .rs -- *.rs)
run() {
  local name=$1
  if "$programs/$name" "$build/corpus/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=16384 -print_final_stats=1 \
    -artifact_prefix="$build/failures/$name-" >"$build/logs/$name" 2>&1; then
    echo "fuzz $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/logs/$name") runs, no finding"
  else
    tail -40 "$build/logs/$name"
    echo "fuzz $name: FAILED; the input is in .build/fuzz/failures, the log in .build/fuzz/logs/$name"
    return 1
  fi
}
export -f run
export build programs seconds
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} bash -c 'run {}'
