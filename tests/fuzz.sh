#!/usr/bin/env bash
# Feeds the reader of safetensors files invented bytes, under AddressSanitizer and
# UndefinedBehaviorSanitizer, until the time is over or something is found:
#   bash tests/fuzz.sh [SECONDS, 60] [--build-dir DIR]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../apps/build.sh"
parse_build_dir build-fuzz "$@"
seconds=${rest[0]:-60}
bash "$root/apps/install_packages.sh" build fuzz
command -v clang++ >/dev/null || { echo "$0: needs clang++ with libFuzzer" >&2; exit 2; }

cmake -S "$root" -B "$build_dir" --log-level=NOTICE -DCMAKE_CXX_COMPILER=clang++ \
  -DCMAKE_BUILD_TYPE=RelWithDebInfo -DLOOKBACK_FUZZ=ON \
  -DLOOKBACK_SANITIZE=address,undefined,fuzzer-no-link >&2
cmake --build "$build_dir" --target safetensors_fuzz >&2

# What inputs start from: one good file, and the format's words.
corpus=$build_dir/corpus
mkdir -p "$corpus"
header='{"__metadata__":{"format":"pt"},"w":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]}}'
printf '\x57\0\0\0\0\0\0\0%sabcd' "$header" > "$corpus/good"
words=$build_dir/words
printf '%s\n' '"\"dtype\":"' '"\"shape\":"' '"\"data_offsets\":"' '"\"__metadata__\":"' '"\"F32\""' \
  '"\"BF16\""' '"\"I64\""' '"[0,"' '"18446744073709551615"' '"9223372036854775807"' > "$words"
cd "$build_dir"  # what is found is written here
exec "$build_dir/bin/safetensors_fuzz" -max_total_time="$seconds" -max_len=4096 \
  -dict="$words" -print_final_stats=1 "$corpus"
