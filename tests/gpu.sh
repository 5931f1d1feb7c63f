#!/usr/bin/env bash
# All that only a GPU can show, in one call of under eight minutes, written into one JSON file:
#   bash tests/gpu.sh --program PROGRAM --tests TESTS [--output gpu.json] [--python INTERPRETER]
# PROGRAM and TESTS are the built lookback and lookback_tests (they may come from another machine:
# tests/cuda-build.sh --with-tests makes ones that need the CUDA libraries only); INTERPRETER has
# torch and transformers, for the yardstick. Where there is no GPU every line says "unverified".
set -euo pipefail
exec python3 "$(dirname "${BASH_SOURCE[0]}")/gpu.py" "$@"
