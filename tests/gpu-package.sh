#!/usr/bin/env bash
# Makes one folder with all that tests/gpu.sh needs on a machine with a GPU: the portable program
# for sm_90a and its tests (compressed: gpu.sh unpacks them) and gemm_probe, without their symbols,
# reference files, configs and scripts:
#   bash tests/gpu-package.sh [--build-dir DIR] [--programs DIR] [OUTPUT]
# OUTPUT (gpu-package) must not be there yet. It may be moved and renamed; there:
#   bash OUTPUT/tests/gpu.sh
# --programs DIR packs programs that are built already. Needs the CUDA toolkit, and no GPU.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../third_party/build.sh"
parse_build_dir build-gpu-package "$@"
max_megabytes=60
programs=
set -- "${rest[@]}"
if [ "${1:-}" = --programs ]; then
  [ $# -gt 1 ] || { echo "$0: --programs needs a folder" >&2; exit 2; }
  programs=$2
  shift 2
fi
output=${1:-gpu-package}
if [ $# -gt 1 ]; then
  echo "$0: unknown: ${*:2}" >&2
  exit 2
fi
if [ -e "$output" ]; then
  echo "$0: $output is there already: remove it, or name another folder" >&2
  exit 2
fi
if [ -z "$programs" ]; then
  bash "$root/tests/cuda-build.sh" --build-dir "$build_dir" --architectures 90a --with-tests >&2
  programs=$build_dir/bin
fi

# Whole or not there: what is begun has another name.
begun=$(mktemp -d "$output.XXXXXX")
trap 'rm -rf "$begun"' EXIT
mkdir -p "$begun/bin" "$begun/tests/gpu" "$begun/tests/bench" "$begun/tests/golden"
for name in lookback lookback_tests gemm_probe; do
  if [ ! -x "$programs/$name" ]; then
    echo "$0: there is no $programs/$name" >&2
    exit 1
  fi
  strip -o "$begun/bin/$name" "$programs/$name"
done
gzip -6 "$begun/bin/lookback" "$begun/bin/lookback_tests"
cp "$root/tests/gpu.sh" "$begun/tests/"
cp "$root"/tests/gpu/*.py "$begun/tests/gpu/"
cp "$root"/tests/bench/*.json "$root/tests/bench/torch_step.py" "$begun/tests/bench/"
cp "$root"/tests/golden/*.safetensors "$begun/tests/golden/"
chmod 755 "$begun"

megabytes=$(($(du --apparent-size -s -B 1 "$begun" | cut -f 1) / 1000000))
if [ "$megabytes" -ge $max_megabytes ]; then
  echo "$0: $megabytes MB, must be under $max_megabytes" >&2
  exit 1
fi
mv -T "$begun" "$output"
trap - EXIT
echo "$output: $megabytes MB"
