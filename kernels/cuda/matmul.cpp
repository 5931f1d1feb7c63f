#include "kernels/matmul.h"

#include "kernels/copy.h"
#include "kernels/core/loop_nest.h"
#include "kernels/cuda/device/product_views.h"
#include "kernels/cuda/device/products.h"

namespace lookback::kernels {
namespace {

// The leading dimensions of a product, merged: those that y has, and those it is summed over.
struct Batch {
  LoopNest<3> kept, summed;  // strides of a, b, y
};

Batch batch_of(const In& a, const In& b, const Out& y) {
  const int rank = std::max({a.rank(), b.rank(), y.rank()});
  const auto size_of_dim = [&](const Operand& x, int dim) {
    const int own = dim - (rank - x.rank());
    return own < 0 ? 1 : x.size(own);
  };
  const auto step_of_dim = [&](const Operand& x, int dim) {
    const int own = dim - (rank - x.rank());
    return own < 0 || x.size(own) == 1 ? 0 : x.stride(own);
  };
  Shape kept, summed;
  std::array<Strides, 3> kept_steps, summed_steps;
  for (int dim = 0; dim < rank - 2; ++dim) {
    const auto a_size = size_of_dim(a, dim);
    const auto size = a_size == 1 ? size_of_dim(b, dim) : a_size;
    const bool lacks = size_of_dim(y, dim) == 1 && size != 1;
    auto& steps = lacks ? summed_steps : kept_steps;
    (lacks ? summed : kept).push_back(size);
    steps[0].push_back(step_of_dim(a, dim));
    steps[1].push_back(step_of_dim(b, dim));
    steps[2].push_back(step_of_dim(y, dim));
  }
  return {LoopNest<3>(kept, kept_steps), LoopNest<3>(summed, summed_steps)};
}

// A batch that is one larger product in disguise becomes that product: x [B, T, D] times one w, or
// the sum over a batch of x^T dy.
void merge(Product& p, Batch& batch) {
  const bool one_kept = batch.kept.sizes.rank() == 1, one_summed = batch.summed.sizes.rank() == 1;
  auto& kept = batch.kept.sizes[-1];
  auto& summed = batch.summed.sizes[-1];
  const auto& step = batch.kept.strides;
  if (one_kept && kept > 1 && p.a.column_step == 1 && step[0][-1] == p.m * p.a.row_step &&
      step[1][-1] == 0 && step[2][-1] == p.m * p.y_row_step) {
    p.m *= kept;
    kept = 1;
  }
  const auto& term = batch.summed.strides;
  if (one_summed && summed > 1 && p.a.row_step == 1 && p.b.column_step == 1 &&
      term[0][-1] == p.k * p.a.column_step && term[1][-1] == p.k * p.b.row_step) {
    p.k *= summed;
    summed = 1;
  }
}

// Calls run(offsets of a, b, y) for every index of the nest but its last dimension.
template <class Run>
void for_each_outer(const LoopNest<3>& nest, int dims, const Run& run) {
  std::int64_t count = 1;
  for (int dim = 0; dim < dims; ++dim) count *= nest.sizes[dim];
  for (std::int64_t index = 0; index < count; ++index) {
    std::array<std::int64_t, 3> offsets{};
    auto left = index;
    for (int dim = dims - 1; dim >= 0; --dim) {
      const auto place = left % nest.sizes[dim];
      left /= nest.sizes[dim];
      for (std::size_t v = 0; v < 3; ++v) offsets[v] += place * nest.strides[v][dim];
    }
    run(offsets);
  }
}

void run(Product p, const Batch& batch) {
  const auto& kept = batch.kept;
  p.batch = kept.sizes[-1];
  p.a.batch_step = kept.strides[0][-1];
  p.b.batch_step = kept.strides[1][-1];
  p.y_batch_step = kept.strides[2][-1];
  for_each_outer(batch.summed, batch.summed.sizes.rank(), [&](const auto& term) {
    for_each_outer(kept, kept.sizes.rank() - 1, [&](const auto& outer) {
      auto one = p;
      one.a.data = advanced(p.a.data, p.operands, term[0] + outer[0]);
      one.b.data = advanced(p.b.data, p.operands, term[1] + outer[1]);
      one.y = advanced(p.y, p.result, outer[2]);
      multiply_on_gpu(one);
    });
    p.keep = 1;
  });
}

Product product_of(const In& a, const In& b, const Out& y, double alpha, double keep) {
  return {.a = product_operand(a),
          .b = product_operand(b),
          .y = y.data,
          .y_row_step = y.stride(-2),
          .m = a.size(-2),
          .n = b.size(-1),
          .k = a.size(-1),
          .operands = a.dtype,
          .result = y.dtype,
          .alpha = alpha,
          .keep = keep};
}

void forward(const MatmulForwardArgs& a) {
  auto product = product_of(a.a, a.b, a.y, a.alpha, 0);
  auto batch = batch_of(a.a, a.b, a.y);
  merge(product, batch);
  run(product, batch);
}

// Of many terms a bf16 result would be rounded once each.
bool rounds_often(const MatmulBackwardArgs& a) {
  if (a.y.dtype != DType::bf16) return false;
  auto product = product_of(a.a, a.b, a.y, a.alpha, 1);
  auto batch = batch_of(a.a, a.b, a.y);
  merge(product, batch);
  return batch.summed.sizes.numel() > 1;
}

void backward(const MatmulBackwardArgs& a) {
  if (!rounds_often(a)) {
    auto product = product_of(a.a, a.b, a.y, a.alpha, 1);
    auto batch = batch_of(a.a, a.b, a.y);
    merge(product, batch);
    return run(product, batch);
  }
  const auto sums = dense_view(a.workspace.data, DType::f32, a.y.sizes);
  copy_forward(Backend::cuda, {.x = view_of(a.y), .y = sums});
  const Out wide = sums;
  auto product = product_of(a.a, a.b, wide, a.alpha, 1);
  auto batch = batch_of(a.a, a.b, wide);
  merge(product, batch);
  run(product, batch);
  copy_forward(Backend::cuda, {.x = sums, .y = view_of(a.y)});
}

std::size_t workspace_bytes(const MatmulBackwardArgs& a) {
  return rounds_often(a) ? static_cast<std::size_t>(a.y.numel()) * sizeof(float) : 0;
}

const Registration registered_forward{matmul_forward, Backend::cuda, forward};
const Registration registered_backward{matmul_backward, Backend::cuda, backward, workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
