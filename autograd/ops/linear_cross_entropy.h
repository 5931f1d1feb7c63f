#pragma once

#include "autograd/ops/cross_entropy.h"
#include "autograd/ops/linear.h"

namespace lookback {

// cross_entropy(linear(x, weight), targets), in chunks of rows: the [.., V] logits never exist.
// x [.., D], weight [V, D], targets [..] i64. The results, options and errors are cross_entropy's.
// Where a gradient is recorded, the forward pass makes the gradients of loss_sum at once,
// dx [.., D] and dweight [V, D], and keeps those alone; backward multiplies them by the gradient of
// loss_sum, which costs nothing when that is 1 (backward of loss_sum itself: divide by the count
// elsewhere, for example in the optimizer's gradient scale).
CrossEntropyResult linear_cross_entropy(const Tensor& x, const Tensor& weight,
                                        const Tensor& targets, Products products = Products::native,
                                        const CrossEntropyOptions& options = {});

// Rows of logits that exist at one time: as many as fit 32 MiB in f32 on the CPU, and 512 MiB on a
// GPU, where a product of few rows leaves most of it idle, and each chunk reads and writes all of
// dweight. A function of the shape and the device alone: the chunks decide the order of sums.
std::int64_t logit_rows_at_once(std::int64_t rows, std::int64_t vocabulary, Backend backend);

}  // namespace lookback
