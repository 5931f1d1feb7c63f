// How much a model gains from looking ahead.
#pragma once

#include "nn/llama/llama.h"

namespace lookback {

// Nats per token: the mean over positions t of the cross entropy of token t + 1 when the model sees
// the prefix up to t alone, minus the same when it sees the whole sequence. ids [B, T].
double leak_size(const Llama& llama, const Tensor& ids, const ForwardOptions& forward);

}  // namespace lookback
