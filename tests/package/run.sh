#!/usr/bin/env bash
# Installs the build into a temporary folder; builds and runs against it, as a user of
# find_package(lookback) would, the programs of apps/examples/ and README.md's C++:
#   run.sh BUILD_DIR COMPILER
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/lookback package XXXXXX")
trap 'rm -rf "$scratch"' EXIT

awk '/^```/ { shown = ($0 == "```cpp"); next }
     shown && /^#include/ { print; next }
     shown { body = body "  " $0 "\n" }
     END { printf "int main() {\n%s}\n", body }' "$root/README.md" >"$scratch/readme.cpp"
grep -q lookback:: "$scratch/readme.cpp"

cmake --install "$1" --prefix "$scratch/prefix" >"$scratch/install.log"
cmake -S "$root/tests/package" -B "$scratch/build" -DCMAKE_CXX_COMPILER="$2" \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$scratch/prefix" \
  -DSOURCES="$root/apps/examples/gradients.cpp;$root/apps/examples/prove_causal.cpp;$root/apps/examples/second_opinion.cpp;$scratch/readme.cpp"
cmake --build "$scratch/build"
"$scratch/build/readme"
"$scratch/build/gradients"
"$scratch/build/prove_causal"
"$scratch/build/second_opinion"
