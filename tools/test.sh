#!/usr/bin/env bash
# Runs every test of the workspace. Documentation examples come first, so that the closing line of the
# main runner is the last thing on the screen.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
export PATH="$PWD/$target/tools/bin:$PATH"
[[ $target = /* ]] && export PATH="$target/tools/bin:$PATH"

data=${SUTURA_TEST_DATA:-../shared/data}
if [ ! -d "$data" ]; then
    echo "note: no test data at $data; the tests that read real files say SKIPPED and pass." >&2
    echo "      Set SUTURA_TEST_DATA to the folder that holds hl7v2/, deid/ and analytics/ to run them." >&2
fi

echo "== documentation examples"
cargo test --doc --workspace --quiet
echo "== tests"
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace "$@"
else
    cargo test --workspace --lib --bins --tests "$@"
fi
