#!/usr/bin/env bash
# Lookback beside PyTorch on this machine, as BENCHMARKS.md shows it:
#   bash tests/benchmark.sh --python INTERPRETER [--build-dir DIR] [options of bench/compare.py]
# INTERPRETER is a Python that has the yardstick:
#   python3 -m venv torch && torch/bin/pip install torch==2.7.1 transformers==4.47.1 numpy
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../third_party/build.sh"
parse_build_dir build "$@"
python=
for ((i = 0; i < ${#rest[@]}; ++i)); do
  case ${rest[i]} in
    --python) python=${rest[i + 1]-} ;;
    --python=*) python=${rest[i]#*=} ;;
  esac
done
[ -n "$python" ] || { sed -n '2,5s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2; }
bash "$root/third_party/install_packages.sh" build
configure "$build_dir" --preset release -DLOOKBACK_TESTS=OFF
cmake --build "$build_dir" --target lookback >&2
exec "$python" "$root/tests/bench/compare.py" --program "$build_dir/bin/lookback" "${rest[@]}"
