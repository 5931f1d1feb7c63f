# shellcheck shell=bash
# Sourced by the scripts: the root of the tree, --build-dir, and the build itself.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# parse_build_dir DEFAULT "$@" sets build_dir (absolute) and rest (the other arguments).
parse_build_dir() {
  build_dir=$root/$1
  rest=()
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      --build-dir | --build_dir)
        [ $# -gt 1 ] || { echo "$0: --build-dir needs a folder" >&2; exit 2; }
        build_dir=$2
        shift ;;
      --build-dir=* | --build_dir=*) build_dir=${1#*=} ;;
      *) rest+=("$1") ;;
    esac
    shift
  done
  build_dir=$(realpath -m -- "$build_dir")
}

# What kernels are compiled for here: this machine's GPU, one compilation of each. Where it is none
# of those with code of their own, or none is in sight, that is 80, whose PTX every newer GPU takes
# too. tests/cuda-build.sh compiles for all.
cuda_architecture() {
  local capability
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 || true)
  case $capability in
    9.0) echo 90a ;;
    *) echo 80 ;;
  esac
}

# Whether an NVIDIA driver answers here, with a GPU: the CUDA toolkit alone compiles for nothing.
has_gpu() {
  nvidia-smi --list-gpus 2>/dev/null | grep '^GPU ' >/dev/null
}

# configure DIR [CMake options]: with the GPU's part, where the CUDA toolkit is, unless an option
# says otherwise. Where no GPU is in sight its kernels are compiled, and not optimized.
configure() {
  local directory=$1 options=()
  shift
  if command -v ccache >/dev/null; then
    # Precompiled headers are cached only where the times of files do not count.
    local ccache="env;CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime;ccache"
    options+=("-DCMAKE_CXX_COMPILER_LAUNCHER=$ccache" "-DCMAKE_CUDA_COMPILER_LAUNCHER=$ccache")
  fi
  if [ -n "${CI:-}" ]; then options+=(-DLOOKBACK_WERROR=ON); fi
  options+=(-DLOOKBACK_CUDA=ON "-DLOOKBACK_CUDA_ARCHITECTURES=$(cuda_architecture)")
  if has_gpu; then options+=(-DLOOKBACK_CUDA_OPTIMIZED=ON); else options+=(-DLOOKBACK_CUDA_OPTIMIZED=OFF); fi
  (cd "$root" && cmake -B "$directory" --log-level=WARNING "${options[@]}" "$@") >&2
}

# build DIR [CMake options] configures and builds everything; a second time only what has changed.
build() {
  configure "$@"
  cmake --build "$1" >&2
}
