#!/usr/bin/env bash
# clang-format over every source file, clang-tidy over those that differ from origin/main (the last
# commit where there is no origin/main); --all checks every file, which takes a while:
#   bash tests/tidy.sh [--all] [--build-dir DIR]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../third_party/build.sh"
parse_build_dir build-tidy "$@"
everything=no
for argument in "${rest[@]}"; do
  [ "$argument" = --all ] || { echo "$0: unknown option $argument (there is --all)" >&2; exit 2; }
  everything=yes
done
bash "$root/third_party/install_packages.sh" build test tidy
cd "$root"
configure "$build_dir" --preset release -DLOOKBACK_TESTS=ON -DLOOKBACK_PRECOMPILED_HEADERS=OFF

folders=(runtime kernels autograd nn apps tests third_party)
find "${folders[@]}" \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' \) -print0 |
  xargs -0 clang-format --dry-run -Werror
echo "clang-format: clean"

base=$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD)
not_built='^$'
if ! grep -q '/mpi_transport\.cpp"' "$build_dir/compile_commands.json"; then  # no MPI here
  not_built='^runtime/communicator/mpi/'
fi
mapfile -t sources < <(
  if [ $everything = yes ]; then
    find "${folders[@]}" -name '*.cpp'
  else
    { git diff --name-only --diff-filter=d "$base"; git ls-files --others --exclude-standard; } |
      grep '\.cpp$'
  fi | grep -v -e '^tests/package/' -e '^third_party/' -e '^apps/examples/' -e "$not_built" | sort -u)
if [ ${#sources[@]} -eq 0 ]; then
  echo "clang-tidy: no file has changed"
  exit 0
fi
printf '%s\0' "${sources[@]}" |
  xargs -0 -n 4 -P "$(nproc)" clang-tidy -p "$build_dir" --quiet \
    "--extra-arg-before=-include$root/third_party/clang_source_location.h"
echo "clang-tidy: ${#sources[@]} files clean"
