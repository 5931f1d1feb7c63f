#!/usr/bin/env bash
# Kills, faults and damage for runs of the release build, and what of it was lost, in five minutes:
#   bash tests/reliability.sh [--build-dir DIR] [--length short | normal | full] [--seed N]
#                             [--part NAME] [--case TEXT] [--scratch DIR]
# One line for each part: kills, faults, flips, cuts, swaps, pairs, closed descriptors, power cuts;
# before it one for each failure, with the folder that it left. The exit code is 1 after any failure.
# The same seed tries the same; --part and --case leave out all but what they name. The test
# Reliability.Short of the test run is the short length.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../third_party/build.sh"
parse_build_dir build "$@"
bash "$root/third_party/install_packages.sh" build test
configure "$build_dir" --preset release -DLOOKBACK_TESTS=ON
cmake --build "$build_dir" --target lookback lookback_system_calls lookback_tests >&2
exec python3 "$root/tests/reliability" --program "$build_dir/bin/lookback" \
  --preload "$build_dir/bin/system_calls.so" --tests "$build_dir/bin/lookback_tests" "${rest[@]}"
