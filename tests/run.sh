#!/usr/bin/env bash
# Installs what is missing, makes the release build, and runs every test that this machine can run:
#   bash tests/run.sh [--build-dir DIR] [ctest options]
# It closes with ctest's own summary; before it, why tests were skipped. Tests that need a GPU
# carry the label gpu, those that need Python libraries the label python.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../third_party/build.sh"
source "$(dirname "${BASH_SOURCE[0]}")/run_ctest.sh"
parse_build_dir build "$@"
bash "$root/third_party/install_packages.sh" build test
if [ -n "${CI:-}" ] && ! command -v chromium >/dev/null; then
  bash "$root/third_party/install_packages.sh" browser || echo "going on without a browser" >&2
fi
if [ -n "${CI:-}" ]; then
  bash "$root/third_party/install_packages.sh" mpi || echo "going on without MPI" >&2
fi
build "$build_dir" --preset release -DLOOKBACK_TESTS=ON
run_ctest "$build_dir" "${rest[@]}"
