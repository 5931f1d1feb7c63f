#!/usr/bin/env bash
# Makes the reference files of this folder again, with the Python that has torch and transformers
# (torch 2.7.1 and transformers 4.47.1 made those in the tree):
#   PYTHON=python3 bash tests/golden/make.sh [FOLDER, this one]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-$here}
python=${PYTHON:-python3}
mkdir -p "$folder"

# llama NAME [options of oracle.py make]: the plain Llama, smaller than the oracle's own default.
llama() {
  local name=$1
  shift
  "$python" "$here/oracle.py" make "$folder/$name.safetensors" llama \
    --layers 2 --hidden 16 --heads 4 --ffn 24 --vocab 29 --batch 2 --seq 7 "$@"
}

"$python" "$here/oracle.py" make "$folder/llama.safetensors" llama --steps 10
llama float32 --float32 --seed 1 --steps 10
llama tied-with-biases --tie --bias --seed 2 --steps 10
llama multi-query --kv-heads 1 --seed 3
llama multi-head --kv-heads 4 --seed 4
llama head-size-6 --head-dim 6 --seed 5
llama rope-linear --rope-scaling '{"type": "linear", "factor": 4.0}' --seed 6
llama rope-llama3 --seq 19 --head-dim 8 --seed 7 --rope-scaling '{"rope_type": "llama3",
  "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}'
llama one-layer --layers 1 --seed 8
llama two-tokens --seq 2 --seed 9
llama one-sequence --batch 1 --seed 10
llama float32-long --float32 --layers 4 --batch 1 --seq 33 --seed 11

"$python" "$here/from_transformers.py" "$folder/transformers.safetensors"
"$python" "$here/from_transformers.py" "$folder/transformers-tied.safetensors" --tie --bias \
  --rope-scaling '{"rope_type": "linear", "factor": 2.0}' --seed 1
