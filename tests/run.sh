#!/usr/bin/env bash
# Installs what is missing, makes the release build, and runs every test that this machine can run:
#   bash tests/run.sh [--build-dir DIR] [ctest options]
# The last lines are ctest's own summary, with the tests that were skipped. Tests that need a GPU
# carry the label gpu, those that need Python libraries the label python.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../apps/build.sh"
parse_build_dir build "$@"
bash "$root/apps/install_packages.sh" build test
build "$build_dir" --preset release -DLOOKBACK_TESTS=ON
exec ctest --test-dir "$build_dir" --parallel "$(nproc)" --output-on-failure "${rest[@]}"
