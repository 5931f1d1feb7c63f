// Weights in safetensors files, under Hugging Face's names.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "nn/module.h"
#include "runtime/safetensors.h"
#include "runtime/tensor_files.h"

namespace lookback {

// Fills the parameters from the file's tensors whose names begin with `prefix` (the rest of the
// name is the parameter's), converted to the parameters' dtype. Checks both ways first: all
// missing, unexpected and mis-shaped names (ten of each) stand in one error, and then nothing has
// been changed. A "lm_head.weight" beside a tied model is accepted where it equals the embedding;
// rotary tables that old checkpoints carry ("...rotary_emb.inv_freq") are left out. `advice` may
// add to the error what the file's names look like.
using NamesAdvice = std::function<std::string(const std::vector<std::string>& names)>;
void load_parameters(const std::vector<NamedParameter>& parameters, const TensorFiles& file,
                     const std::string& prefix = "", const NamesAdvice& advice = {});

// The same checks alone: nothing is filled.
void check_parameters(const std::vector<NamedParameter>& parameters, const TensorFiles& file,
                      const std::string& prefix = "", const NamesAdvice& advice = {});

// What write_safetensors() takes of them: the parameters' own tensors.
NamedTensors named_tensors(const std::vector<NamedParameter>& parameters);

}  // namespace lookback
