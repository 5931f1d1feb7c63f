#!/usr/bin/env bash
# The tests under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer, in a build of
# their own: bash tests/sanitize.sh [--build-dir DIR] [ctest options]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../third_party/build.sh"
source "$(dirname "${BASH_SOURCE[0]}")/run_ctest.sh"
parse_build_dir build-sanitize "$@"
bash "$root/third_party/install_packages.sh" build test
build "$build_dir" --preset sanitize -DLOOKBACK_TESTS=ON
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_init_order=1:check_initialization_order=1
export UBSAN_OPTIONS=print_stacktrace=1
run_ctest "$build_dir" "${rest[@]}"
