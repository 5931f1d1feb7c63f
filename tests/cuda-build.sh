#!/usr/bin/env bash
# Compiles everything of the GPU for every architecture, warnings being errors, and the portable
# program, and says what the program needs from the machine it runs on:
#   bash tests/cuda-build.sh [--build-dir DIR]
# Needs the CUDA toolkit, and no GPU.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../apps/build.sh"
parse_build_dir build-cuda "$@"
bash "$root/apps/install_packages.sh" build
export PATH="$PATH:/usr/local/cuda/bin"
if ! command -v nvcc >/dev/null; then
  echo "SKIPPED: no nvcc here (install the CUDA toolkit)"
  exit 0
fi
cmake -S "$root" -B "$build_dir" -G Ninja -DCMAKE_BUILD_TYPE=Release -DLOOKBACK_PORTABLE=ON \
  -DLOOKBACK_TESTS=OFF -DLOOKBACK_WERROR=ON -DLOOKBACK_CUDA_ARCHITECTURES=all
cmake --build "$build_dir" --target lookback

program="$build_dir/bin/lookback"
strip -o "$program.stripped" "$program"
megabytes=$(($(stat -c %s "$program.stripped") / 1000000))
needs=$(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort)
echo "stripped: $megabytes MB; needs: $(echo $needs)"
foreign=$(echo "$needs" | grep -vE '^(lib(c|m|dl|rt|pthread|cudart|cublas|cublasLt)|ld-linux-x86-64)\.so' || true)
if [ -n "$foreign" ] || [ "$megabytes" -gt 50 ]; then
  echo "must be at most 50 MB and need CUDA, cuBLAS and the C library only: ${foreign:-too large}" >&2
  exit 1
fi
