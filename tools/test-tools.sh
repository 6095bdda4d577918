#!/usr/bin/env bash
# Installs what the tests use besides cargo itself, unless it is there already:
#   cargo-nextest  the test runner (left out if it cannot be had: `make test` then uses `cargo test`)
#   s3s-fs         an S3 server over a folder; the engine's S3 test starts it on a free port
#   onnxruntime    the library that models run in, out of its Python package (left out where there is no pip: those tests are then skipped)
# The first two are built from crates.io, all are put into <target>/tools, so nothing outside the target folder changes.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
tools=$target/tools
S3S_VERSION=0.14.1
NEXTEST_VERSION=0.9.143
ONNX_RUNTIME_VERSION=1.31.1

# cargo install builds in its own folder, so that it never evicts what the workspace built; without debug information, for speed.
install() {
    echo "installing $1 into $tools (once)"
    CARGO_TARGET_DIR="$tools/build" CARGO_PROFILE_DEV_DEBUG=false cargo install --locked --root "$tools" "$@" && rm -rf "$tools/build"
}

# The package is a zip file with the library in it: it is unpacked, not installed.
onnx_runtime() {
    local package
    package=$(mktemp -d "$tools/onnxruntime.XXXXXX")
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$package" \
        "onnxruntime==$ONNX_RUNTIME_VERSION" >/dev/null 2>&1 &&
        python3 - "$package" <<'PYTHON' && mv "$package/library" "$tools/onnxruntime"
import glob, os, sys, zipfile

folder = sys.argv[1]
os.mkdir(os.path.join(folder, "library"))
with zipfile.ZipFile(glob.glob(os.path.join(folder, "*.whl"))[0]) as package:
    for name in package.namelist():
        base = os.path.basename(name)
        if base.startswith("libonnxruntime.") or base == "onnxruntime.dll":
            with open(os.path.join(folder, "library", base), "wb") as out:
                out.write(package.read(name))
            break
    else:
        sys.exit(1)
PYTHON
    local result=$?
    rm -rf "$package"
    return $result
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
if [ -z "${ORT_DYLIB_PATH:-}" ] && [ ! -d "$tools/onnxruntime" ]; then
    mkdir -p "$tools"
    onnx_runtime || echo "note: onnxruntime could not be had from Python's package index: the tests that run a model will be skipped" >&2
fi
exit "$failed"
