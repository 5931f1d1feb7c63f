#include "nn/llama/foreign_models.h"

#include <algorithm>
#include <array>

namespace lookback {
namespace {

constexpr auto experts = "its MLP is a mixture of experts";
constexpr auto gelu_layer_norms = "its norms are LayerNorm, and its MLP has GELU";
constexpr auto state_space = "its layers hold a state in place of attention";
constexpr auto pictures = "it reads pictures or sound beside text";
constexpr auto encoder = "its tokens look ahead or at an encoder";
constexpr auto interleaved = "its rotary positions turn neighbors as pairs";
constexpr auto norms_behind = "its norms stand behind attention and MLP (post-norms)";
constexpr auto gelu_scaled =
    "its MLP has GELU, its norms multiply by 1 + weight, and its embeddings are scaled";
constexpr auto gemma_norms =
    "its MLP has GELU, its norms multiply by 1 + weight, and some stand behind attention and MLP "
    "(post-norms)";
constexpr auto multipliers =
    "its embeddings, scores, residual stream and logits have multipliers of their own "
    "(embedding_multiplier, attention_multiplier, residual_multiplier, logits_scaling)";
constexpr auto packed =
    "its projections are packed (qkv_proj, gate_up_proj), and it may have a window and longrope";
constexpr auto scaled_depth =
    "its embeddings, residual stream and logits are scaled (scale_emb, scale_depth, "
    "dim_model_base)";

constexpr std::array foreign_models = {
    ForeignModel{"olmo", "Olmo", "its norms are LayerNorm without parameters"},
    ForeignModel{"olmo2", "Olmo2", norms_behind},
    ForeignModel{"olmo3", "Olmo3", norms_behind},
    ForeignModel{"olmoe", "Olmoe", experts},
    ForeignModel{"flex_olmo", "FlexOlmo", experts},
    ForeignModel{"gemma", "Gemma", gelu_scaled},
    ForeignModel{"gemma2", "Gemma2", gemma_norms},
    ForeignModel{"gemma3", "Gemma3", gemma_norms},
    ForeignModel{"gemma3_text", "Gemma3", gemma_norms},
    ForeignModel{"gemma3n", "Gemma3n", gemma_norms},
    ForeignModel{"gemma3n_text", "Gemma3n", gemma_norms},
    ForeignModel{"vaultgemma", "VaultGemma", gelu_scaled},
    ForeignModel{"recurrent_gemma", "RecurrentGemma", state_space},
    ForeignModel{"mpt", "Mpt", gelu_layer_norms},
    ForeignModel{"mpt", "MPT", gelu_layer_norms},
    ForeignModel{"gpt2", "GPT2", gelu_layer_norms},
    ForeignModel{"gpt_neo", "GPTNeo", gelu_layer_norms},
    ForeignModel{"gpt_neox", "GPTNeoX", gelu_layer_norms},
    ForeignModel{"gptj", "GPTJ", gelu_layer_norms},
    ForeignModel{"gpt_bigcode", "GPTBigCode", gelu_layer_norms},
    ForeignModel{"codegen", "CodeGen", gelu_layer_norms},
    ForeignModel{"starcoder2", "Starcoder2", gelu_layer_norms},
    ForeignModel{"bloom", "Bloom", gelu_layer_norms},
    ForeignModel{"falcon", "Falcon", gelu_layer_norms},
    ForeignModel{"RefinedWeb", "RW", gelu_layer_norms},
    ForeignModel{"RefinedWebModel", "RW", gelu_layer_norms},
    ForeignModel{"opt", "OPT", "its norms are LayerNorm, and its MLP has ReLU"},
    ForeignModel{"phi", "Phi", "its norms are LayerNorm, and its MLP stands beside attention"},
    ForeignModel{"phi-msft", "Phi", "its norms are LayerNorm, and its MLP stands beside attention"},
    ForeignModel{"phi3", "Phi3", packed},
    ForeignModel{"phimoe", "Phimoe", experts},
    ForeignModel{"phi4_multimodal", "Phi4Multimodal", pictures},
    ForeignModel{"persimmon", "Persimmon", "its norms are LayerNorm, and its MLP has squared ReLU"},
    ForeignModel{"nemotron", "Nemotron", "its norms are LayerNorm, and its MLP has squared ReLU"},
    ForeignModel{"arcee", "Arcee", "its MLP has squared ReLU and no gate"},
    ForeignModel{"nanochat", "NanoChat", "its MLP has squared ReLU, and its norms no weights"},
    ForeignModel{"apertus", "Apertus", "its MLP has xIELU and no gate"},
    ForeignModel{"stablelm", "StableLm",
                 "its norms are LayerNorm, and its rotary positions turn part of each head "
                 "(layer_norm_eps, partial_rotary_factor)"},
    ForeignModel{"stablelm_epoch", "StableLMEpoch",
                 "its norms are LayerNorm, and its rotary positions turn part of each head"},
    ForeignModel{"granite", "Granite", multipliers},
    ForeignModel{"granitemoe", "GraniteMoe", experts},
    ForeignModel{"granitemoeshared", "GraniteMoeShared", experts},
    ForeignModel{"granitemoehybrid", "GraniteMoeHybrid", state_space},
    ForeignModel{"minicpm", "MiniCPM", scaled_depth},
    ForeignModel{"minicpm3", "MiniCPM3", scaled_depth},
    ForeignModel{"cohere", "Cohere",
                 "its norms are LayerNorm, its MLP stands beside attention, and its logits are "
                 "scaled"},
    ForeignModel{"cohere2", "Cohere2",
                 "its norms are LayerNorm, its MLP stands beside attention, and its logits are "
                 "scaled"},
    ForeignModel{"mixtral", "Mixtral", experts},
    ForeignModel{"jetmoe", "JetMoe", experts},
    ForeignModel{"dbrx", "Dbrx", experts},
    ForeignModel{"qwen2_moe", "Qwen2Moe", experts},
    ForeignModel{"qwen3_moe", "Qwen3Moe", experts},
    ForeignModel{"qwen3_next", "Qwen3Next", state_space},
    ForeignModel{"qwen", "QWen", "its queries, keys and values are one projection with biases"},
    ForeignModel{"qwen2_vl", "Qwen2VL", pictures},
    ForeignModel{"qwen2_5_vl", "Qwen2_5_VL", pictures},
    ForeignModel{"gpt_oss", "GptOss", experts},
    ForeignModel{"llama4", "Llama4", experts},
    ForeignModel{"llama4_text", "Llama4", experts},
    ForeignModel{"mllama", "Mllama", pictures},
    ForeignModel{"llava", "Llava", pictures},
    ForeignModel{"diffllama", "DiffLlama", "its attention is the difference of two"},
    ForeignModel{"bitnet", "BitNet",
                 "its MLP has squared ReLU, and attention and MLP have norms inside"},
    ForeignModel{"smollm3", "SmolLM3", "every fourth of its layers has no positions"},
    ForeignModel{"ministral", "Ministral", "its window differs by layer (layer_types)"},
    ForeignModel{"helium", "Helium", interleaved},
    ForeignModel{"ernie4_5", "Ernie4_5", interleaved},
    ForeignModel{"ernie4_5_moe", "Ernie4_5_Moe", experts},
    ForeignModel{"exaone4", "Exaone4", norms_behind},
    ForeignModel{"glm", "Glm", "its rotary positions turn half of each head, neighbors as pairs"},
    ForeignModel{"glm4", "Glm4", norms_behind},
    ForeignModel{"glm4_moe", "Glm4Moe", experts},
    ForeignModel{"chatglm", "ChatGLM",
                 "its rotary positions turn half of each head, neighbors as pairs"},
    ForeignModel{"seed_oss", "SeedOss",
                 "its queries, keys and values have biases, and its outputs none"},
    ForeignModel{"hunyuan_v1_dense", "HunYuanDenseV1", "it norms queries and keys behind rotation"},
    ForeignModel{"hunyuan_v1_moe", "HunYuanMoEV1", experts},
    ForeignModel{"dots1", "Dots1", experts},
    ForeignModel{"minimax", "MiniMax", experts},
    ForeignModel{"internlm2", "InternLM2",
                 "its queries, keys and values are one projection (wqkv)"},
    ForeignModel{"baichuan", "Baichuan",
                 "its queries, keys and values are one projection (W_pack), and its head is "
                 "normed or its positions are ALiBi"},
    ForeignModel{"deci", "DeciLM", "its layers differ in their key and value heads"},
    ForeignModel{"nemotron-nas", "DeciLM", "its layers differ in their shapes"},
    ForeignModel{"lfm2", "Lfm2", "some of its layers are convolutions"},
    ForeignModel{"mamba", "Mamba", state_space},
    ForeignModel{"mamba2", "Mamba2", state_space},
    ForeignModel{"falcon_mamba", "FalconMamba", state_space},
    ForeignModel{"falcon_h1", "FalconH1", state_space},
    ForeignModel{"jamba", "Jamba", state_space},
    ForeignModel{"bamba", "Bamba", state_space},
    ForeignModel{"zamba", "Zamba", state_space},
    ForeignModel{"zamba2", "Zamba2", state_space},
    ForeignModel{"rwkv", "Rwkv", state_space},
    ForeignModel{"xlstm", "xLSTM", state_space},
    ForeignModel{"bert", "Bert", encoder},
    ForeignModel{"roberta", "Roberta", encoder},
    ForeignModel{"t5", "T5", encoder},
    ForeignModel{"bart", "Bart", encoder},
    ForeignModel{"whisper", "Whisper", pictures},
};

const ForeignModel* find(std::string_view name, std::string_view ForeignModel::*member) {
  const auto* found = std::ranges::find(foreign_models, name, member);
  return found == foreign_models.end() ? nullptr : found;
}

}  // namespace

const ForeignModel* foreign_model_of_type(std::string_view model_type) {
  return find(model_type, &ForeignModel::model_type);
}

const ForeignModel* foreign_model_of_class(std::string_view class_name) {
  return find(class_name, &ForeignModel::class_name);
}

}  // namespace lookback
