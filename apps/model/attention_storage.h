// --attention-storage: how a layer keeps its attention for the layers after it.
#pragma once

#include <optional>
#include <string_view>

#include "apps/cli/flags.h"
#include "nn/llama/llama.h"

namespace lookback {

// Queries and keys, from which the weights follow, or the weights themselves.
enum class AttentionStorage { weights, qk };
std::string_view name_of(AttentionStorage storage);  // "weights", "qk"

void add_attention_storage_flag(Flags& flags, AttentionStorage& storage);
// Without a default: none is the run's.
void add_attention_storage_flag(Flags& flags, std::optional<AttentionStorage>& storage);

// A line on stderr where layers keep their weights for later ones although qk is asked for.
void warn_of_kept_weights(const LlamaConfig& config, AttentionStorage storage);

// The forward options for runs of [batch_size, block_size] tokens; `gradients` says whether a step
// with gradients is planned. Throws Error where attention weights are to be kept (asked for, or by
// a fault) and this machine's memory cannot hold them.
enum class Gradients { none, wanted };
ForwardOptions forward_options(AttentionStorage storage, const Llama& llama,
                               std::int64_t batch_size, std::int64_t block_size,
                               Gradients gradients);

// The same for steps of training, whose layers keep everything or are run again in backward.
ForwardOptions training_pass(AttentionStorage storage, const Llama& llama, std::int64_t batch_size,
                             std::int64_t block_size, Activations activations);

}  // namespace lookback
