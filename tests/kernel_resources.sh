#!/usr/bin/env bash
# Registers and spills of the CUDA kernels, as ptxas counts them, for every architecture:
#   bash tests/kernel_resources.sh [--build-dir DIR] [names of .cu files, without the ending]
# Prints a line per kernel: architecture, file, kernel, registers, bytes spilled. Fails where a norm,
# softmax or decoding kernel spills, or a streaming one of attention for head sizes up to 128, and
# where ptxas says that it changed what products of warpgroups wait for (its messages C75..). Needs
# nvcc, and no GPU.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../third_party/build.sh"
parse_build_dir build-resources "$@"
export PATH="$PATH:/usr/local/cuda/bin"
if ! command -v nvcc >/dev/null; then
  echo "SKIPPED: no nvcc here (install the CUDA toolkit)"
  exit 0
fi
mkdir -p "$build_dir"
declare -A sources
for file in "$root"/kernels/cuda/{,attention/,device/}*.cu; do
  sources[$(basename "$file" .cu)]=${file#"$root"/}
done
if [ ${#rest[@]} -eq 0 ]; then mapfile -t rest < <(printf '%s\n' "${!sources[@]}" | sort); fi
for name in "${rest[@]}"; do
  [ -n "${sources[$name]:-}" ] || { echo "$0: no $name.cu in kernels/cuda" >&2; exit 2; }
  for architecture in 80 90a; do echo "$name $architecture ${sources[$name]}"; done
done | xargs -P "$(nproc)" -L 1 bash -c 'nvcc -std=c++20 -I"$0" -arch=sm_$3 \
  --expt-relaxed-constexpr -fmad=false -Xptxas -v -cubin -o "$1/$2.$3.cubin" \
  "$0/$4" >"$1/$2.$3.log" 2>&1 || { cat "$1/$2.$3.log" >&2; exit 255; }' \
  "$root" "$build_dir"

# A kernel's name without what all of them share.
shorter='s/(anonymous namespace):://g; s/^void lookback::device::run_kernel<//; s/>(.*$//
  s/lookback::[a-z]*:*//g; s/(int)//g; s/ *>/>/g; s/ *$//'
# bf16 attention goes by warpgroups on sm_90a, and by warps elsewhere: what is compiled for the other
# one stops at once, and is left out.
table=$build_dir/table.txt
for name in "${rest[@]}"; do
  for architecture in 80 90a; do
    awk -v what="sm_$architecture $name" '
      /Compiling entry function/ { split($0, quoted, "\047"); kernel = quoted[2] }
      /bytes spill stores/ { for (i = 2; i <= NF; ++i) if ($(i + 2) == "stores,") spilled = $(i - 1) }
      /Used [0-9]+ registers/ { match($0, /Used [0-9]+/)
        print substr($0, RSTART + 5, RLENGTH - 5), spilled, what, kernel }' \
      "$build_dir/$name.$architecture.log"
  done
done | while read -r registers spilled architecture name kernel; do
  printf '%s\t%s\t%s\t%s\t%s\n' "$architecture" "$name" \
    "$(c++filt "$kernel" | sed "$shorter")" "$registers" "$spilled"
done | grep -vP '^sm_80\t.*<WarpgroupTiles|^sm_90a\t.*\tStream[A-Za-z]*<WarpTiles<BFloat16>' >"$table"
cat "$table"
if grep -rn --include='*.log' 'C75[0-9][0-9]' "$build_dir" >&2; then
  echo "ptxas was not content with the products of warpgroups" >&2
  exit 1
fi

# The largest number among a kernel's template arguments is its largest tile: the head size.
awk -F '\t' '
  $5 == 0 { next }
  { largest = 0; rest = $3
    while (match(rest, /[0-9]+/)) {
      number = substr(rest, RSTART, RLENGTH) + 0
      rest = substr(rest, RSTART + RLENGTH)
      if (number > largest) largest = number
    }
    print "spills:", $0 > "/dev/stderr"
    if ($2 ~ /norm|softmax|decode/ || ($3 ~ /^Stream/ && largest <= 128)) bad = 1 }
  END { exit bad }' "$table" || { echo "the kernels above must not spill" >&2; exit 1; }
