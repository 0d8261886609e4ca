#!/usr/bin/env bash
# Installs the emulators of vendors that tests run against, each at a fixed version and under .build/.
# They run as processes of their own: nothing of them is imported or shipped.
set -euo pipefail
into=$1
# localstripe (GPL-3.0): a stateful Stripe, in a virtual environment apart from ours.
.venv/bin/uv venv --quiet --clear --python .venv/bin/python "$into/localstripe"
.venv/bin/uv pip sync --quiet --python "$into/localstripe/bin/python" --require-hashes requirements/localstripe.txt
# stripe-mock: Stripe's own check of requests against its API's description.
if ! command -v go >/dev/null; then
  echo "missing: go (>= 1.22), which builds stripe-mock and h2spec. Get it from https://go.dev/dl" >&2
  exit 1
fi
GOBIN="$(cd "$into" && pwd)/bin" GOFLAGS=-mod=mod go install github.com/stripe/stripe-mock@v0.203.0
# h2spec: whether HTTP/2 is spoken as its RFCs say. It knows no modules: its dependencies are pinned by one of ours.
go build -C requirements/h2spec -mod=readonly -o "$(cd "$into" && pwd)/bin/h2spec" github.com/summerwind/h2spec/cmd/h2spec
