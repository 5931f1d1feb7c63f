#!/usr/bin/env bash
# Makes the reference files of this folder again, with the Python that has torch, transformers,
# tokenizers and sentencepiece (torch 2.7.1, transformers 4.47.1, tokenizers 0.21.4 and sentencepiece
# 0.2.3 made those in the tree; torch 2.15.0 and transformers 4.57.6 those of stock models):
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

# variant PRESET [options]: a preset in as few numbers as show it; its file bears its name.
# at NAME PRESET [options]: the same, under another name (a point of the axes over the preset).
at() {
  local name=$1 preset=$2
  shift 2
  "$python" "$here/oracle.py" make "$folder/$name.safetensors" "$preset" \
    --layers 3 --hidden 8 --heads 4 --kv-heads 2 --ffn 12 --vocab 13 --batch 2 --seq 6 "$@"
}
variant() {
  at "$1" "$@"
}

variant method1 --steps 10 --seed 20
variant method2 --steps 10 --kv-heads 1 --seed 21
variant method3.1 --layers 4 --seed 22
variant method3.2 --bias --tie --steps 10 --seed 23
variant method4.1 --kv-heads 4 --float32 --seed 24
variant method4.2 --layers 4 --bias --steps 10 --float32 --seed 25
variant method1-replace --seed 26
variant method2-replace --kv-heads 1 --bias --seed 27
variant method1-simple --layers 4 --head-dim 4 --seed 28
variant stored1 --layers 5 --seed 29
variant stored2 --bias --kv-heads 1 --seed 30
variant stored3 --layers 4 --tie --steps 10 --seed 31
variant method5.1 --steps 10 --seed 32
variant method5.2 --kv-heads 1 --layers 4 --float32 --seed 33
variant method5.3 --bias --seed 34
variant method5.4 --layers 4 --steps 10 --seed 35
variant method5.5 --kv-heads 4 --steps 10 --seed 36
variant method5.6 --layers 5 --seed 37
variant method5.7 --tie --steps 10 --float32 --seed 38
variant method5.8 --head-dim 6 --seed 39
variant method5.5-share --layers 4 --kv-heads 1 --seed 40
variant fault-unmasked-recompute --seed 41
variant fault-double-softmax --kv-heads 1 --seed 42
variant fault-unregistered --steps 10 --seed 43
variant fault-unmasked --float32 --seed 44
variant fault-shifted-labels --seed 45
variant fault-double-softmax-logits --steps 10 --seed 65
at method1-six-layers method1 --layers 6 --kv-heads 1 --seed 46
at method2-one-layer method2 --layers 1 --seed 47

# axes SITE SOURCE WEIGHTS STREAM INCLUDE_SELF SCALE [options]: any point of the axes; SCALE `none`:
# each layer's own scores alone.
axes() {
  local site=$1 source=$2 weights=$3 stream=$4 include_self=$5 scale=$6
  shift 6
  local name=axes-$site-$source-$weights-$stream
  [ "$include_self" = true ] || name+=-without-itself
  [ "$scale" = none ] && scale= || name+=-$scale
  at "$name" llama --cross "site=$site" "source=$source" "weights=$weights" "stream=$stream" \
    "include_self=$include_self" --scale "$scale" "$@"
}
axes mlp recomputed mean add false none --bias --seed 50
axes mlp recomputed learned replace false none --layers 4 --seed 51
axes attention recomputed learned add false none --bias --steps 10 --seed 52
axes attention recomputed mean replace true none --kv-heads 4 --seed 53
axes attention stored learned replace false none --layers 4 --seed 54
axes mlp stored sum add false none --kv-heads 1 --float32 --seed 55
axes attention stored learned add true none --tie --steps 10 --seed 56
axes mlp stored mean replace true none --bias --seed 57
axes mlp recomputed sum add true sqrt_dk --steps 10 --seed 58
axes attention recomputed learned add true per_layer_power --bias --seed 59
axes mlp recomputed learned add false per_layer_share --kv-heads 1 --float32 --seed 60
axes attention recomputed sum replace false power --kv-heads 4 --seed 61
axes mlp stored learned add true per_layer --layers 4 --seed 62
at fault-double-softmax-per_layer_free fault-double-softmax --scale per_layer_free --seed 63

# mechanism NAME PRESETS.. [options]: an attention mechanism or pattern, alone or under a method.
mechanism() {
  local name=$1
  shift
  "$python" "$here/mechanisms.py" make "$folder/$name.safetensors" \
    --layers 3 --hidden 8 --heads 4 --ffn 12 --vocab 13 --batch 2 --seq 6 "$@"
}
mechanism mla mla --steps 10 --head-dim 6 --seed 80
mechanism mla-biases mla --bias --tie --seed 81
mechanism mla-one-query-projection mla --option q_lora_rank=null rope_interleave=false \
  softmax_scale=0.4 attention_out_bias=true --seed 82
mechanism mla-window mla --option v_head_dim=5 kv_lora_rank=3 --pattern sliding_window=3 --seed 83
mechanism mla-method1 mla method1 --steps 10 --seed 84
mechanism mla-method4.2 mla method4.2 --bias --seed 85
mechanism mla-stored3 mla stored3 --float32 --seed 86
mechanism mla-method5.5 mla method5.5 --steps 10 --seed 87
mechanism mla-in-one-layer llama --seed 88 --layers-options '[{},
  {"type": "mla", "kv_lora_rank": 3, "qk_nope_head_dim": 2, "qk_rope_head_dim": 2, "v_head_dim": 5},
  {"pattern": {"sliding_window": 2}}]' --kv-heads 4
mechanism mla-in-one-layer-method1 method1 --seed 89 --layers-options '[{},
  {"type": "mla", "kv_lora_rank": 3, "qk_nope_head_dim": 2, "qk_rope_head_dim": 2, "v_head_dim": 5},
  {}]' --kv-heads 4
mechanism sliding-window sliding-window --steps 10 --seed 90
mechanism sliding-window-method1 sliding-window method1 --kv-heads 1 --seed 91
mechanism sliding-window-method5.4 sliding-window method5.4 --float32 --seed 92
mechanism sliding-window-of-one sliding-window --pattern sliding_window=1 --bias --seed 93
for option in clip-qkv qk-layer-norm qk-rms-norm qk-rms-norm-per-head alibi no-position \
  softmax-scale softcap; do
  mechanism "$option" "$option" --steps 10 --bias --seed 100
done
mechanism all-options method1 --bias --seed 101 --kv-heads 1 --option clip_qkv=0.4 \
  qk_norm='"rms_norm"' attn_logit_softcapping=0.7 softmax_scale=0.9 alibi_bias_max=3 \
  position_embedding_type='"alibi"' attention_out_bias=false --pattern sliding_window=4
mechanism softcap-method5.5 softcap method5.5 --option position_embedding_type='"alibi"' --seed 102
mechanism alibi-of-three-heads alibi --heads 3 --kv-heads 3 --head-dim 4 --float32 --seed 103
mechanism clip-qkv-method3.2 clip-qkv method3.2 --seed 204
mechanism qk-layer-norm-method5.4 qk-layer-norm method5.4 --seed 105
mechanism mla-softcap mla --option attn_logit_softcapping=0.7 --seed 106
mechanism collaborative collaborative --steps 10 --seed 110
mechanism collaborative-biases collaborative --bias --option qk_norm='"layer_norm"' clip_qkv=0.6 \
  --seed 111
mechanism collaborative-without-positions collaborative --seed 112 --option key_query_dim=5 \
  position_embedding_type='"none"' mixing_init='"normal"'
mechanism collaborative-method1 collaborative method1 --bias --seed 113
mechanism collaborative-method5.5 collaborative method5.5 --option mixing_init='"ones"' --seed 114
mechanism mohsa mohsa --steps 10 --head-dim 4 --seed 120
mechanism mohsa-wide mohsa --option overlap_dim=2 clip_qkv=0.5 --bias --seed 121
mechanism mohsa-method1 mohsa method1 --option overlap_dim=1 --bias --seed 122
mechanism mohsa-method5.4 mohsa method5.4 --option overlap_dim=1 --float32 --seed 123
mechanism mohsa-growing stored3 --kv-heads 4 --seed 124 --layers-options '[{"type": "mohsa",
  "overlap_dim": 0}, {"type": "mohsa", "overlap_dim": 1}, {"type": "mohsa", "overlap_dim": 2}]'
mechanism dcmha dcmha --steps 10 --bias --seed 150
mechanism dcmha-static dcmha --option static_projection=true --kv-heads 1 --seed 151
mechanism dcmha-rank-1 dcmha --option rank=1 qk_norm='"rms_norm"' clip_qkv=0.5 --kv-heads 4 --seed 152
mechanism dcmha-softcap dcmha softcap --option position_embedding_type='"alibi"' --seed 153
mechanism dcmha-window dcmha --pattern sliding_window=3 --float32 --seed 154
mechanism dcmha-method1 dcmha method1 --steps 10 --seed 155
mechanism dcmha-method3.2 dcmha method3.2 --option static_projection=true --bias --seed 156
mechanism dcmha-in-some-layers method2 --seed 157 --float32 --layers-options '[{},
  {"type": "dcmha", "rank": 3}, {"type": "dcmha", "softmax_scale": 0.6}]'
mechanism linear linear --steps 10 --seed 160
mechanism linear-biases linear --bias --tie --kv-heads 1 --option epsilon=0.5 \
  attention_out_bias=false --seed 161
mechanism linear-options linear --bias --option clip_qkv=0.3 qk_norm='"layer_norm"' --seed 162
mechanism linear-without-positions linear --option position_embedding_type='"none"' \
  qk_norm='"rms_norm_per_head"' --seed 163
mechanism linear-method1 linear method1 --steps 10 --seed 164
mechanism linear-method1-clipped linear method1 --bias --option clip_qkv=0.4 --seed 165
mechanism linear-method3.2 linear method3.2 --float32 --seed 166
mechanism linear-method4.1 linear method4.1 --kv-heads 4 --seed 167
mechanism linear-two-chunks linear --batch 1 --heads 2 --layers 2 --seq 67 --float32 --seed 168
mechanism linear-in-one-layer method1 --seed 169 --layers-options '[{}, {"type": "linear"},
  {"pattern": {"sliding_window": 2}}]'

mechanism dilated dilated --seq 11 --steps 10 --seed 140
mechanism dilated-per-head sliding-window --seq 11 --pattern sliding_window=3 dilation='[1,2,3,20]' \
  --bias --seed 141
mechanism global global --seq 11 --steps 10 --seed 142
mechanism global-at-positions global --seq 11 --pattern global_tokens='[7,0,4]' --kv-heads 1 \
  --seed 143
mechanism random random --seq 13 --steps 10 --seed 144
mechanism random-blocks-of-three random --seq 17 --seed 145 --batch 1 --pattern block_size=3 \
  random_seed=81985529216486895 sliding_window=2
mechanism longformer longformer --seq 11 --float32 --seed 146
mechanism bigbird bigbird --seq 15 --steps 10 --seed 147
mechanism bigbird-method1 bigbird method1 --seq 11 --bias --seed 148
mechanism bigbird-method5.1 bigbird method5.1 --seq 11 --float32 --seed 149
mechanism dilated-per-head-method1 sliding-window method1 --seq 11 --seed 150 \
  --pattern sliding_window=2 dilation='[3,1,2,1]' num_random_blocks=1
mechanism mla-patterns mla --seq 11 --seed 151 --pattern sliding_window=3 global_tokens=2 \
  num_random_blocks=1 block_size=2
mechanism dcmha-patterns dcmha --seq 11 --seed 152 --pattern sliding_window=2 dilation='[1,2,1,3]' \
  num_random_blocks=2
mechanism patterns-by-layer llama --seq 11 --seed 153 --layers-options '[{"pattern":
  {"sliding_window": 2, "global_tokens": 1}}, {}, {"pattern": {"num_random_blocks": 2}}]'
# Heads of multiples of eight numbers: what a GPU's kernels by tiles take.
mechanism bigbird-head-size-8 bigbird --head-dim 8 --seq 15 --seed 180
mechanism softcap-head-size-8 softcap --head-dim 8 --seq 11 --kv-heads 4 --seed 181 \
  --option position_embedding_type='"alibi"' --pattern sliding_window=3 dilation='[1,2,1,3]'
mechanism mla-head-size-16 mla --seq 11 --seed 182 --pattern sliding_window=3 global_tokens=2 \
  --option qk_nope_head_dim=8 qk_rope_head_dim=8 v_head_dim=8

# decode NAME PRESETS.. [options]: read through a cache with a policy, from its prompt on token by token.
decode() {
  local name=$1
  shift
  "$python" "$here/mechanisms.py" decode "$folder/$name.safetensors" \
    --layers 2 --hidden 8 --heads 4 --ffn 12 --vocab 13 --batch 2 --seq 12 "$@"
}
decode decode-full causal --policy full --prompt 3 --seed 130
decode decode-streaming causal --policy streaming_llm --sinks 1 --recent 4 --bias --seed 131
decode decode-streaming-prompt alibi --policy streaming_llm --sinks 2 --recent 3 --prompt 7 \
  --seed 132
decode decode-streaming-options qk-rms-norm-per-head --policy streaming_llm --sinks 0 --recent 3 \
  --option clip_qkv=0.9 attn_logit_softcapping=2 --seed 133
decode decode-h2o causal --policy h2o --heavy 3 --recent 2 --kv-heads 1 --seed 134
decode decode-h2o-prompt alibi --policy h2o --heavy 2 --recent 3 --prompt 8 \
  --option attn_logit_softcapping=1.5 --seed 135
decode decode-h2o-without-recent qk-layer-norm --policy h2o --heavy 4 --recent 0 \
  --kv-heads 4 --float32 --seed 136
decode decode-h2o-without-heavy softmax-scale --policy h2o --heavy 0 --recent 4 --seed 137

mechanism moh moh --steps 10 --seed 130
mechanism moh-query-norm moh --option router='"query_norm"' --bias --steps 10 --seed 131
mechanism moh-without-shared-heads moh --option num_shared_heads=0 router_z_loss_coef=0.1 --bias \
  --seed 132
mechanism moh-two-shared-heads moh --option num_shared_heads=2 num_selected_heads=1 \
  attention_out_bias=true router_aux_loss_coef=0 router_z_loss_coef=0.1 --seed 133
mechanism moh-options moh --kv-heads 1 --option qk_norm='"rms_norm"' clip_qkv=0.6 \
  position_embedding_type='"alibi"' attn_logit_softcapping=0.7 --pattern sliding_window=3 --seed 134
mechanism moh-method1 moh method1 --steps 10 --seed 135
mechanism moh-method3.2 moh method3.2 --bias --seed 136
mechanism moh-method5.4 moh method5.4 --steps 10 --seed 137
mechanism moh-query-norm-method1 moh method1 --option router='"query_norm"' --seed 138
mechanism moh-float32 moh --float32 --steps 10 --seed 139
mechanism moa moa --steps 10 --seed 140
mechanism moa-normalized moa --option norm_topk_prob=true num_experts=5 --seed 141
mechanism moa-biases moa --bias --option qk_norm='"rms_norm_per_head"' clip_qkv=0.6 --seed 142
mechanism moa-one-of-three moa --kv-heads 4 --option num_experts=3 num_experts_per_tok=1 \
  attention_out_bias=true position_embedding_type='"none"' --seed 143
mechanism moa-all-experts moa --kv-heads 1 --option num_experts=4 num_experts_per_tok=4 \
  --pattern sliding_window=3 --seed 144
mechanism moa-method1 moa method1 --steps 10 --seed 145
mechanism moa-method3.2 moa method3.2 --bias --seed 146
mechanism moa-float32 moa stored3 --float32 --steps 10 --seed 147
mechanism mixtures-by-layer method1 --seed 148 --steps 10 --layers-options '[{"type": "moh",
  "num_shared_heads": 1, "num_selected_heads": 2}, {}, {"type": "moa", "num_experts": 3,
  "num_experts_per_tok": 2, "router_aux_loss_coef": 0.3}]'
# yarn, layer_types, and the keys of transformers' own classes.
yarn='{"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "mscale": 0.7,
  "mscale_all_dim": 0.6}'
latent=(qk_nope_head_dim=5 qk_rope_head_dim=4 v_head_dim=3 kv_lora_rank=3)
mechanism yarn llama --head-dim 8 --steps 10 --seed 150 \
  --top 'rope_scaling={"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 16}'
mechanism yarn-of-two-magnitudes method1 --head-dim 8 --seed 151 --top "rope_scaling=$yarn"
mechanism yarn-with-factor method5.4 --head-dim 6 --float32 --seed 152 \
  --top 'rope_scaling={"type": "yarn", "factor": 2.5, "attention_factor": 1.3, "beta_fast": 8}'
mechanism mla-yarn mla --seed 153 --steps 10 --top "rope_scaling=$yarn"
mechanism mla-yarn-method5.5 mla method5.5 --seed 154 --top "rope_scaling=$yarn"
mechanism layer-types method1 --seed 155 --pattern sliding_window=3 \
  --top 'layer_types=["full_attention", "sliding_attention", "full_attention"]'
mechanism mistral method1 --seed 156 --top 'model_type="mistral"' sliding_window=3
mechanism qwen2 llama --seed 157 --steps 10 --top 'model_type="qwen2"' use_sliding_window=true \
  sliding_window=2 max_window_layers=1
mechanism qwen3 llama --seed 158 --steps 10 --top 'model_type="qwen3"' use_sliding_window=true \
  sliding_window=2 'layer_types=["sliding_attention", "full_attention", "sliding_attention"]'
mechanism deepseek-v2 mla --seed 159 --head-dim 4 --top 'model_type="deepseek_v2"' q_lora_rank=4 \
  "${latent[@]}" "rope_scaling=$yarn"
mechanism deepseek-v3 llama --kv-heads 4 --bias --seed 160 --head-dim 4 --steps 10 \
  --top 'model_type="deepseek_v3"' "${latent[@]}" rope_interleave=false n_routed_experts=8 \
  first_k_dense_replace=3

# Checkpoints of the model types that were in use before: the plain config and a model_type.
older() {
  local name=$1 model_type=$2
  shift 2
  at "$name" "$@"
  "$python" "$here/older_model_type.py" "$folder/$name.safetensors" "$model_type"
}
older older-method1-v3 method1-v3 method1 --seed 70
older older-method5-v4 method5-v4 method5.5 --seed 71
older older-method5-v4-share method5-v4 method5.5-share --seed 72
older older-method3-v2 method3-v2 stored3 --seed 73

"$python" "$here/from_transformers.py" "$folder/transformers.safetensors"
"$python" "$here/from_transformers.py" "$folder/transformers-tied.safetensors" --tie --bias \
  --rope-scaling '{"rope_type": "linear", "factor": 2.0}' --seed 1


# stock NAME MODEL_TYPE [options]: made by transformers 4.57.6.
stock() {
  local name=$1 model_type=$2
  shift 2
  "$python" "$here/from_transformers.py" "$folder/transformers-$name.safetensors" \
    --model-type "$model_type" "$@"
}
stock mistral mistral --seed 2
stock qwen2 qwen2 --tie --seed 3
stock qwen2-yarn qwen2 --seed 4 --rope-scaling '{"type": "yarn", "factor": 4.0,
  "original_max_position_embeddings": 32, "beta_fast": 16}'
stock qwen3 qwen3 --bias --seed 5 --key use_sliding_window=true sliding_window=3 \
  'layer_types=["sliding_attention", "full_attention", "sliding_attention"]'
stock deepseek-v2 deepseek_v2 --bias --seed 6 --key q_lora_rank=null
stock deepseek-v3 deepseek_v3 --seed 7 --rope-scaling "$yarn"

"$python" -B "$here/tokenizers/make.py" "$folder/tokenizers"
"$python" -B "$here/tokenizers/make_characters.py" "$folder/tokenizers"
"$python" "$here/tokenizers/make_sentencepiece.py" "$folder/tokenizers"
"$python" "$here/tokenizers/make_llama.py" "$folder/tokenizers"
