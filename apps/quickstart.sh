#!/usr/bin/env bash
# From nothing to a trained model, on any CPU: installs what is missing, builds, trains the built-in
# `smoke` model on built-in stories for about two minutes, and shows what it learned and how it looks
# inside. What a GPU needs is compiled only where one is:
#   bash apps/quickstart.sh [--build-dir DIR] [--output-dir DIR] [options of `lookback train`]
# A second time it builds what has changed and trains again only when something has.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../third_party/build.sh"
parse_build_dir build "$@"
set -- "${rest[@]}"
own_dir=$build_dir/quickstart
output_dir=$own_dir
options=()
while [ $# -gt 0 ]; do
  case $1 in
    --output-dir | --output_dir)
      [ $# -gt 1 ] || { echo "$0: --output-dir needs a folder" >&2; exit 2; }
      output_dir=$2
      shift ;;
    --output-dir=* | --output_dir=*) output_dir=${1#*=} ;;
    *) options+=("$1") ;;
  esac
  shift
done

bash "$root/third_party/install_packages.sh" build
cuda=ON
# A folder that has the GPU's part (of tests/run.sh, say) keeps it.
if ! has_gpu && ! grep -qs '^LOOKBACK_CUDA:BOOL=ON' "$build_dir/CMakeCache.txt"; then
  cuda=OFF
  echo "Building for the CPU alone: no NVIDIA driver answers here (nvidia-smi --list-gpus)." \
    "bash tests/run.sh compiles the GPU's part too, where the CUDA toolkit is." >&2
fi
configure "$build_dir" --preset release -DLOOKBACK_TESTS=OFF -DLOOKBACK_CUDA=$cuda
cmake --build "$build_dir" --target lookback >&2
lookback=$build_dir/bin/lookback

train=("$lookback" train --config smoke --data builtin:stories --max-steps 400 --batch-size 8
  --block-size 256 --learning-rate 2e-3 --warmup-steps 40 --output-dir "$output_dir")
if [ "$output_dir" = "$own_dir" ]; then train+=(--overwrite); fi
# Made when a plain quickstart has ended: newer than the program and these options while it stands.
finished=$build_dir/quickstart.finished
if [ ${#options[@]} -eq 0 ] && [ "$output_dir" = "$own_dir" ] && [ -d "$own_dir" ] &&
  [ "$finished" -nt "$lookback" ] && [ "$finished" -nt "${BASH_SOURCE[0]}" ]; then
  echo "Trained before by this very program: training again would give the same numbers."
else
  rm -f "$finished"
  "${train[@]}" "${options[@]}"
  if [ ${#options[@]} -eq 0 ] && [ "$output_dir" = "$own_dir" ]; then touch "$finished"; fi
fi

# The last number of that name in the run's metrics.
metric() { sed -n "s/.*\"$1\": *\([^,}]*\).*/\1/p" "$output_dir/metrics.jsonl" | tail -n 1; }
echo
export LC_NUMERIC=C  # the numbers are written with a point
echo "Loss, in nats per word:"
printf '  %-12s%.4f\n' train "$(metric loss)" validation "$(metric validation_loss)"
floor=$(metric floor)
if [ -n "$floor" ]; then
  printf '  %-12s%.4f   what the text itself leaves open: no model does better on average\n' \
    floor "$floor"
fi
echo
echo "A story it wrote:"
"$lookback" generate "$output_dir" --prompt "once upon a time" --max-new-tokens 120 --seed 1
echo
"$lookback" inspect "$output_dir" --quiet \
  --prompt "once upon a time, Rose was a clever girl. Her aunt gave her a black drum." >/dev/null
echo "A look inside it, to open in a browser: $output_dir/inspect/report.html"
echo "The model and every number of the run: $output_dir"
printf 'Go on with: %q train --help\n' "$lookback"
