#!/usr/bin/env bash
# Feeds the readers of files from outside invented bytes, under AddressSanitizer and
# UndefinedBehaviorSanitizer, until the time is over or something is found:
#   bash tests/fuzz.sh [SECONDS for each, 60] [safetensors | tokenizer_json | folder_checksums | data_files, all] [--build-dir DIR]
# A reader is tests/fuzz/NAME_fuzz.cpp, its format's words NAME.words, and seeds_of_NAME below.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../third_party/build.sh"
parse_build_dir build-fuzz "$@"
seconds=${rest[0]:-60}
names=("${rest[@]:1}")
[ ${#names[@]} -gt 0 ] || names=(safetensors tokenizer_json folder_checksums data_files)
for name in "${names[@]}"; do
  [ -f "$root/tests/fuzz/${name}_fuzz.cpp" ] ||
    { echo "$0: there is no fuzzer $name: safetensors, tokenizer_json, folder_checksums and data_files are there" >&2; exit 2; }
done
bash "$root/third_party/install_packages.sh" build fuzz
command -v clang++ >/dev/null || { echo "$0: needs clang++ with libFuzzer" >&2; exit 2; }

# What inputs start from: good files.
seeds_of_safetensors() {
  local header='{"__metadata__":{"format":"pt"},"w":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]}}'
  printf '\x57\0\0\0\0\0\0\0%sabcd' "$header" > "$1/good"
}
seeds_of_folder_checksums() {
  local sum='"2d06800538d394c2"'
  printf '{"config.json": %s, "model.safetensors": {"header": %s, "tensors": {"w": %s}}}' \
    "$sum" "$sum" "$sum" > "$1/good"
}
# The first byte chooses the reader (data_files_fuzz.cpp).
seeds_of_data_files() {
  printf '\0LITPKDS\1\0\0\0\0\0\0\0\10\2\0\0\0\0\0\0\0\1\0\2\0' > "$1/packed"
  printf "\\0\\223NUMPY\\1\\0\\72\\0{'descr': '<u2', 'fortran_order': False, 'shape': (2,), }\\n\\1\\0\\2\\0" > "$1/npy"
  printf '\1{"text": "one", "more": [1, {"text": null}]}\n{"text": "two"}\n' > "$1/lines"
  printf '\1[{"text": "one"}, {"text": "two"}]' > "$1/list"
  { printf '\2'; printf 'so it goes' | gzip -n; } > "$1/gzip"
  printf '\3\50\265\57\375\44\12\121\0\0so it goes\0\0\0\0' > "$1/zstd"
}
seeds_of_tokenizer_json() {
  local token='{"id":5,"content":"<e>","single_word":false,"lstrip":true,"rstrip":true,"normalized":true}'
  local model='{"type":"BPE","unk_token":"a","ignore_merges":true,"vocab":{"a":0,"b":1,"Ġ":2,"ab":3,"Ã":4},
    "merges":["a b"]}'
  local bytes='{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}'
  local split='{"type":"Split","pattern":{"Regex":"(?i:a)|\\s+(?!\\S)"},"behavior":"MergedWithNext","invert":false}'
  local digits='{"type":"Digits","individual_digits":false}'
  printf '{"added_tokens":[%s],"pre_tokenizer":%s,"decoder":{"type":"ByteLevel"},"model":%s}\0ab <e> a\xff' \
    "$token" "$bytes" "$model" > "$1/gpt2"
  printf '{"normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[%s,%s,%s]},"model":%s}\0ab é 12' \
    "$split" "$digits" "$bytes" "$model" > "$1/sequence"
  local space='{"type":"Metaspace","replacement":"_","prepend_scheme":"first","split":false}'
  local replace='{"type":"Replace","pattern":{"String":" "},"content":"_"}'
  local decoder='{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":"_","start":1,"stop":0}]}'
  printf '{"added_tokens":[%s],"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"_"},%s]},"pre_tokenizer":%s,"decoder":%s,"model":{"type":"BPE","byte_fallback":true,"fuse_unk":true,"unk_token":"b","vocab":{"a":0,"b":1,"_":2,"_a":3,"<0x0A>":4},"merges":["_ a"]}}\0 a\na <e>' \
    "$token" "$replace" "$space" "$decoder" > "$1/characters"
  printf '{"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKD"},{"type":"Strip","strip_left":true,"strip_right":true},{"type":"Lowercase"},{"type":"StripAccents"}]},"pre_tokenizer":{"type":"WhitespaceSplit"},"model":{"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["u",0],["a",-1],["ab",-1.5],["<0x0A>",-2]]}}\0a b\nab' \
    > "$1/unigram"
}

cmake -S "$root" -B "$build_dir" --log-level=NOTICE -DCMAKE_CXX_COMPILER=clang++ \
  -DCMAKE_BUILD_TYPE=RelWithDebInfo -DLOOKBACK_FUZZ=ON \
  -DLOOKBACK_SANITIZE=address,undefined,fuzzer-no-link >&2
cmake --build "$build_dir" --target "${names[@]/%/_fuzz}" >&2
cd "$build_dir"  # what is found is written here
for name in "${names[@]}"; do
  corpus=$build_dir/corpus/$name
  mkdir -p "$corpus"
  "seeds_of_$name" "$corpus"
  "$build_dir/bin/${name}_fuzz" -max_total_time="$seconds" -max_len=4096 -timeout=60 \
    -dict="$root/tests/fuzz/$name.words" -print_final_stats=1 "$corpus"
done
