// --record: how a layer keeps its attention for the layers after it.
#pragma once

#include <string>

#include "apps/cli/flags.h"
#include "nn/llama/llama.h"

namespace lookback {

void add_record_flag(Flags& flags, std::string& record);

// The forward options of --record for runs of [batch_size, block_size] tokens; `gradients` says
// whether a step with gradients is planned. Throws Error where attention weights are to be kept
// (asked for, or by a fault) and this machine's memory cannot hold them.
enum class Gradients { none, wanted };
ForwardOptions recording(const std::string& record, const Llama& llama, std::int64_t batch_size,
                         std::int64_t block_size, Gradients gradients);

// The same for steps of training, whose layers keep everything or are run again in backward.
ForwardOptions training_pass(const std::string& record, const Llama& llama, std::int64_t batch_size,
                             std::int64_t block_size, Activations activations);

}  // namespace lookback
