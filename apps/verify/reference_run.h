// A reference file run through our model.
#pragma once

#include <map>
#include <string>

#include "apps/model/attention_storage.h"
#include "nn/layer/forward_pass.h"
#include "runtime/safetensors.h"

namespace lookback {

struct ReferenceRunOptions {
  DType dtype = DType::f64;  // float32, float64 or bfloat16 (nn/precision.h)
  AttentionStorage attention_storage = AttentionStorage::qk;
};

// The dtype of the file's weights: float64 where one is, else float32, or bfloat16 where all are.
DType dtype_of_reference(const SafetensorsFile& reference);

// Builds the model of the file's metadata "config", loads its param. tensors, runs input_ids, and
// gives what came out under the names of the file: out.logits, out.loss, grad.<parameter>,
// trace.attn.<l>, trace.hidden.<l>, and train.losses and train.grad_norms by the steps of the
// metadata "optimizer". A group that the file does not hold, or that is left out in this dtype, is
// not computed. Throws Error, naming the file, for a config, weights, input or optimizer that is
// not there or does not fit.
std::map<std::string, Tensor> run_reference(const SafetensorsFile& reference,
                                            const ReferenceRunOptions& options);

}  // namespace lookback
