#!/usr/bin/env bash
# All that only a GPU can show: speed first, then correctness, into a folder (gpu-results) that is
# whole after each line:
#   bash tests/gpu.sh [--program PROGRAM] [--tests TESTS] [--probe PROBE] [--output DIR]
#     [--only LINE|SECTION,...] [--seconds N] [--python INTERPRETER]
# PROGRAM, TESTS and PROBE are the built lookback, lookback_tests and gemm_probe: by default those
# in bin/ beside tests/ (tests/gpu-package.sh makes a folder with all of it), or in build/bin.
# INTERPRETER has torch and transformers, for the yardstick. Two calls of 6.5 and 5 minutes:
#   bash tests/gpu.sh --only smoke,speed,profile,products --seconds 390
#   bash tests/gpu.sh --only correctness,memcheck,yardstick --seconds 300
# Where there is no GPU every line says "unverified". The exit code is 1 where a line failed.
set -euo pipefail
if ! command -v python3 >/dev/null; then
  echo "$0: needs python3" >&2
  exit 2
fi
for packed in "$(dirname "${BASH_SOURCE[0]}")"/../bin/*.gz; do
  [ ! -e "$packed" ] || gunzip --force "$packed"
done
exec python3 "$(dirname "${BASH_SOURCE[0]}")/gpu/run.py" "$@"
