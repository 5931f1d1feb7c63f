// Fresh weights against what they ought to be. What is wrong is not-the-named-model.
#pragma once

#include "apps/diagnosis/diagnosis.h"
#include "nn/llama/llama.h"

namespace lookback {

// Each random tensor of a fresh f32 model has mean 0, the standard deviation that was asked for
// (initializer_range, or one of its own) and a normal distribution's share within it, within what
// chance makes of so many numbers; gains, biases and the like have their number.
void hold_to_their_spread(const Llama& llama, Diagnosis& diagnosis);

// What one random tensor begins with stands nowhere else: not in another, and not again in itself.
void hold_apart(const Llama& llama, Diagnosis& diagnosis);
// The same of two models of one config and of two seeds.
void hold_apart(const Llama& llama, std::uint64_t seed, const Llama& other,
                std::uint64_t other_seed, Diagnosis& diagnosis);

}  // namespace lookback
