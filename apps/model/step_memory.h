// What a training step needs, before it is taken.
#pragma once

#include <cstdint>
#include <optional>

#include "nn/llama/llama.h"

namespace lookback {

// Bytes of tensors at the peak of a step of N = B T tokens that keeps its activations, within a few
// percent. None: of attention_mechanism other than the plain one nothing is predicted.
std::optional<std::int64_t> step_bytes(const Llama& llama, std::int64_t tokens);

// What no step of such a model does without, and more: its weights, their gradients and AdamW's two
// moments, as far as every mechanism has them (embedding, vocabulary and MLPs).
std::int64_t least_step_bytes(const LlamaConfig& config, DType storage);

}  // namespace lookback
