// Attention with as many blocks as a GPU never runs at once, so that they meet in another order
// each time: a race between them would show as other bits. On the emulated GPU, where it would take
// days, with few.
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradient.h"
#include "autograd/ops/attention.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/sum.h"
#include "kernels/fill.h"
#include "kernels/normal_fill.h"
#include "runtime/transfer.h"
#include "tests/gpu.h"

namespace lookback {
namespace {

using testing::gpu;
using testing::gpu_is_emulated;
using testing::why_no_gpu;

struct Size {
  std::int64_t sequences, heads, rows;
  int repetitions;
};
Size size_of_gpu() {
  if (gpu_is_emulated()) return {.sequences = 1, .heads = 2, .rows = 66, .repetitions = 1};
  return {.sequences = 8, .heads = 16, .rows = 4096, .repetitions = 50};
}

// Numbers that bf16 holds, as f32 or bf16.
Tensor random_tensor(const Shape& shape, DType dtype, std::uint64_t stream) {
  const auto x = empty(shape, DType::bf16);
  kernels::normal_fill(x.backend(), {.y = x, .standard_deviation = 1, .seed = 0, .stream = stream});
  return cast(x, dtype);
}

struct Case {
  std::int64_t head_size;
  int pieces;
  std::int64_t window = 0;  // where there is one, with global keys and a soft cap
};

struct Problem {
  AttentionPieces pieces;
  Tensor v, dy;
  CausalMask mask;

  Problem(DType dtype, const Case& of) {
    const auto [head_size, count, window] = of;
    const auto size = size_of_gpu();
    const Shape shape{size.sequences, size.rows, size.heads, head_size};
    for (int p = 0; p < count; ++p) {
      const auto stream = static_cast<std::uint64_t>(4 * p);
      pieces.q.push_back(random_tensor(shape, dtype, stream));
      pieces.k.push_back(random_tensor(shape, dtype, stream + 1));
    }
    v = random_tensor(shape, dtype, 2);
    dy = random_tensor(shape, dtype, 3);
    pieces.scales = empty({count}, DType::f32);
    kernels::fill(
        pieces.scales.backend(),
        {.y = pieces.scales, .value = 1 / std::sqrt(static_cast<double>(head_size) * count)});
    for (const auto& leaf : leaves()) set_requires_grad(leaf);
    if (window == 0) return;
    mask.window = window;
    const auto global_keys = empty({2}, DType::i64, cpu_device);
    global_keys.data<std::int64_t>()[0] = 0;
    global_keys.data<std::int64_t>()[1] = 60;
    mask.pattern.global_keys = to_device(global_keys, gpu());
    pieces.soft_cap = 5;
  }

  std::vector<Tensor> leaves() const {
    std::vector<Tensor> all{v};
    all.insert(all.end(), pieces.q.begin(), pieces.q.end());
    all.insert(all.end(), pieces.k.begin(), pieces.k.end());
    return all;
  }

  // The result and every gradient.
  std::vector<Tensor> run() const {
    const auto result = attention(pieces, v, mask);
    backward(result.y, dy);
    std::vector<Tensor> all{result.y.detach()};
    for (const auto& leaf : leaves()) {
      all.push_back(gradient(leaf));
      clear_gradient(leaf);
    }
    return all;
  }
};

double sum_of_squares(const Tensor& x) {
  return static_cast<double>(*to_device(sum(multiply(x, x)), cpu_device).data<float>());
}
// Not a number where one of them holds one.
double squared_distance(const Tensor& x, const Tensor& y) {
  return sum_of_squares(subtract(cast(x, DType::f32), cast(y, DType::f32)));
}

class RepeatedAttentionOnGpu : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
};

TEST_P(RepeatedAttentionOnGpu, GivesTheSameBitsAndThoseNearSingle) {
  const DefaultDevice on(gpu());
  const Problem problem(DType::bf16, GetParam());
  const auto first = problem.run();
  for (int repetition = 0; repetition < size_of_gpu().repetitions; ++repetition) {
    const auto again = problem.run();
    for (std::size_t i = 0; i < first.size(); ++i) {
      ASSERT_EQ(squared_distance(first[i], again[i]), 0) << "result " << i << ", " << repetition;
    }
  }
  // Of each number: its own rounding, that of the weights or their gradients, and of the y that the
  // gradients are made with, by half a step of bf16 at most, as often as not in another direction.
  const double allowed = 3.0 / 512;
  const auto exact = Problem(DType::f32, GetParam()).run();
  for (std::size_t i = 0; i < first.size(); ++i) {
    const double apart = std::sqrt(squared_distance(first[i], exact[i]));
    EXPECT_LT(apart, allowed * std::sqrt(sum_of_squares(exact[i]))) << "result " << i;
  }
}

std::string name_of_case(const ::testing::TestParamInfo<Case>& instance) {
  const auto [head_size, pieces, window] = instance.param;
  return fmt::format("{}_wide_{}_pieces{}", head_size, pieces, window == 0 ? "" : "_in_a_window");
}
INSTANTIATE_TEST_SUITE_P(All, RepeatedAttentionOnGpu,
                         ::testing::Values(Case{32, 1}, Case{64, 1}, Case{96, 1}, Case{128, 1},
                                           Case{192, 1}, Case{256, 1}, Case{32, 4}, Case{64, 4},
                                           Case{96, 4}, Case{128, 4}, Case{192, 4}, Case{256, 4},
                                           Case{64, 1, 16}, Case{128, 1, 16}, Case{64, 4, 16}),
                         name_of_case);

}  // namespace
}  // namespace lookback
