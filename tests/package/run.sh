#!/usr/bin/env bash
# Installs the build into a temporary folder and builds and runs apps/examples/gradients.cpp against
# that, as a user of find_package(lookback) would: run.sh BUILD_DIR COMPILER
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/lookback package XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cmake --install "$1" --prefix "$scratch/prefix" >"$scratch/install.log"
cmake -S "$here/" -B "$scratch/build" -DCMAKE_CXX_COMPILER="$2" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_PREFIX_PATH="$scratch/prefix" -DEXAMPLE="$here/../../apps/examples/gradients.cpp"
cmake --build "$scratch/build"
"$scratch/build/gradients"
