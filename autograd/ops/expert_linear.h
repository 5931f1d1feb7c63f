#pragma once

#include "autograd/ops/products.h"
#include "runtime/tensor.h"

namespace lookback {

// y[.., s, :] = x[..] weight[experts[.., s]]^T: each row times the matrices chosen for it.
// x [.., I], weight [E, O, I], experts i64 [.., S] with x's leading sizes -> [.., S, O]. The choice
// is not differentiable; an expert that no row chose has the gradient 0. Saves x, weight and
// experts. Throws for an expert outside [0, E).
Tensor expert_linear(const Tensor& x, const Tensor& weight, const Tensor& experts,
                     Products products = Products::native);

}  // namespace lookback
