#!/usr/bin/env bash
# Installs what the tests use besides cargo itself, unless it is there already:
#   cargo-nextest  the test runner (left out if it cannot be had: `make test` then uses `cargo test`)
#   s3s-fs         an S3 server over a folder; the engine's S3 test starts it on a free port
# Both are built from crates.io into <target>/tools, so nothing outside the target folder changes.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
tools=$target/tools
S3S_VERSION=0.14.1
NEXTEST_VERSION=0.9.143

# cargo install builds in its own folder, so that it never evicts what the workspace built; without debug information, for speed.
install() {
    echo "installing $1 into $tools (once)"
    CARGO_TARGET_DIR="$tools/build" CARGO_PROFILE_DEV_DEBUG=false cargo install --locked --root "$tools" "$@" && rm -rf "$tools/build"
}

failed=0
if [ ! -x "$tools/bin/s3s-fs" ] && ! command -v s3s-fs >/dev/null; then
    install s3s-fs --version "$S3S_VERSION" --features binary --debug || {
        echo "WARNING: s3s-fs could not be installed: the test over a real S3 connection will be skipped" >&2
        failed=1
    }
fi
if [ ! -x "$tools/bin/cargo-nextest" ] && ! command -v cargo-nextest >/dev/null; then
    install cargo-nextest --version "$NEXTEST_VERSION" --debug || {
        echo "note: cargo-nextest could not be installed: the tests run with cargo test" >&2
    }
fi
exit "$failed"
