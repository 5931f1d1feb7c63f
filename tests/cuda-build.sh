#!/usr/bin/env bash
# Compiles everything of the GPU, warnings being errors, and the portable program, and says what the
# program needs from the machine it runs on:
#   bash tests/cuda-build.sh [--build-dir DIR] [--architectures LIST] [--with-tests]
# Needs the CUDA toolkit, and no GPU. LIST is what LOOKBACK_CUDA_ARCHITECTURES takes; all, where it
# is not given. --with-tests also makes lookback_tests and gemm_probe, as portable:
# tests/gpu-package.sh packs them for a machine with a GPU.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../third_party/build.sh"
parse_build_dir build-cuda "$@"
tests=OFF
architectures=all
targets=(lookback)
packages=(build)
set -- "${rest[@]}"
while [ $# -gt 0 ]; do
  case $1 in
    --with-tests)
      tests=ON
      targets+=(lookback_tests gemm_probe)
      packages+=(test) ;;
    --architectures)
      [ $# -gt 1 ] || { echo "$0: --architectures needs a list: 80, 90a, or all" >&2; exit 2; }
      architectures=$2
      shift ;;
    *)
      echo "$0: unknown: $1" >&2
      exit 2 ;;
  esac
  shift
done
bash "$root/third_party/install_packages.sh" "${packages[@]}"
export PATH="$PATH:/usr/local/cuda/bin"
if ! command -v nvcc >/dev/null; then
  echo "SKIPPED: no nvcc here (install the CUDA toolkit)"
  exit 0
fi
configure "$build_dir" -G Ninja -DCMAKE_BUILD_TYPE=Release -DLOOKBACK_PORTABLE=ON \
  -DLOOKBACK_TESTS=$tests -DLOOKBACK_WERROR=ON -DLOOKBACK_CUDA_OPTIMIZED=ON "-DLOOKBACK_CUDA_ARCHITECTURES=$architectures"
cmake --build "$build_dir" --target "${targets[@]}"

program="$build_dir/bin/lookback"
strip -o "$program.stripped" "$program"
megabytes=$(($(stat -c %s "$program.stripped") / 1000000))
needs=$(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort)
echo "stripped: $megabytes MB; needs: $(echo $needs)"
foreign=$(echo "$needs" | grep -vE '^(lib(c|m|dl|rt|pthread)|ld-linux-x86-64)\.so' || true)
if [ -n "$foreign" ] || [ "$megabytes" -gt 50 ]; then
  echo "must be at most 50 MB and need the C library only: ${foreign:-too large}" >&2
  exit 1
fi

case $architectures in
  all | *90a*) ;;
  *) exit 0 ;;
esac
# Attention by warpgroups has their products in its machine code, in every kernel.
if ! command -v cuobjdump >/dev/null; then
  echo "SKIPPED: no cuobjdump here to look for HGMMA with (part of the CUDA toolkit)"
  exit 0
fi
for name in attention_forward attention_query_gradient attention_key_gradient; do
  object=$(find "$build_dir" -name "$name.cu.o" -path '*lookback_gpu*')
  without=$(cuobjdump -sass -arch sm_90a "$object" | awk '
    /Function : / { if (kernel && !found) print kernel; kernel = ""; found = 0 }
    /Function : .*WarpgroupTiles/ { kernel = $NF }
    /HGMMA/ { found = 1 }
    END { if (kernel && !found) print kernel }')
  if [ -n "$without" ]; then
    echo "$name: no HGMMA in $without" >&2
    exit 1
  fi
  echo "$name: HGMMA in every kernel for warpgroups"
done
