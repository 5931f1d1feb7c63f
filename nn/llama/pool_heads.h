// Fewer key and value heads for a model that is there, made of those that it has (Ainslie et al.
// 2023, "GQA"): what multi-head attention begins with when it is trained on as grouped-query
// attention.
#pragma once

#include <string>
#include <string_view>

#include "nn/layer/config.h"
#include "runtime/tensor.h"

namespace lookback {

// What a new head is made of its group, which are neighbors: their mean, or the first of them.
enum class PooledHead { mean, first };
std::string_view name_of(PooledHead pooled);  // "mean", "first"

// Why a model of this config cannot have `heads` key and value heads made of its own; empty: it
// can.
std::string reason_against_pooling(const LlamaConfig& config, std::int64_t heads);

// A parameter of a model of `config` for `heads` key and value heads, by its name: rows of k_proj
// and v_proj, their biases, and gains and biases of norms over all key heads are pooled, in f64, to
// the dtype that they have; any other is returned as it is.
Tensor with_pooled_heads(const std::string& name, const Tensor& parameter,
                         const LlamaConfig& config, std::int64_t heads, PooledHead pooled);

}  // namespace lookback
