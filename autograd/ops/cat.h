#pragma once

#include <vector>

#include "runtime/tensor.h"

namespace lookback {

// The tensors one after the other along `dim` (negative: from the end). One dtype, shapes equal but
// along `dim`; at least one tensor. Gradients are views of dy.
Tensor cat(const std::vector<Tensor>& tensors, int dim);

}  // namespace lookback
