// linear_cross_entropy on a GPU in chunks of a few rows, beside the CPU's in f64.
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/workspace.h"
#include "kernels/copy.h"
#include "kernels/linear_cross_entropy.h"
#include "tests/gpu.h"
#include "tests/kernels/random_tensor.h"

namespace lookback::kernels {
namespace {

using lookback::testing::gpu;
using lookback::testing::why_no_gpu;

struct Problem {
  Tensor x, weight, targets;
};
struct Answer {
  Tensor loss_sum, count, correct, nats, dx, dweight;
};

Answer answer_of(const Problem& problem, std::int64_t chunk, Device device) {
  const auto x = to_device(problem.x, device), weight = to_device(problem.weight, device);
  const auto targets = to_device(problem.targets, device);
  const auto sum = accumulator_of(x.dtype());
  const auto vocabulary = weight.size(0);
  const auto fresh = [&](const Shape& shape, DType dtype) { return empty(shape, dtype, device); };
  const Answer answer{fresh({}, sum),        fresh({}, DType::i64),
                      fresh({}, DType::i64), fresh(targets.shape(), sum),
                      fresh(x.shape(), sum), fresh(weight.shape(), sum)};
  const auto logits = fresh({chunk, vocabulary}, sum);
  const bool rounds = x.dtype() == DType::bf16;
  run_with_workspace(linear_cross_entropy_forward, device,
                     LinearCrossEntropyForwardArgs{
                         .x = x,
                         .weight = weight,
                         .targets = targets,
                         .loss_sum = answer.loss_sum,
                         .count = answer.count,
                         .correct = answer.correct,
                         .nats = answer.nats,
                         .dx = answer.dx,
                         .dweight = answer.dweight,
                         .logits = logits,
                         .rounded_dlogits = rounds ? fresh(logits.shape(), DType::bf16) : Tensor{},
                         .ignore_index = -100});
  return answer;
}

Tensor in_double(const Tensor& x) {
  const auto y = empty(x.shape(), DType::f64);
  copy_forward(Backend::cpu, {.x = x, .y = y});
  return y;
}

std::vector<double> numbers(const Tensor& x) {
  const auto here = in_double(to_device(x, cpu_device));
  const auto all = here.elements<double>();
  return {all.begin(), all.end()};
}

void expect_near(const Tensor& ours, const Tensor& expected, double bound, const char* what) {
  const auto got = numbers(ours), wanted = numbers(expected);
  ASSERT_EQ(got.size(), wanted.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], wanted[i], bound) << what << i;
}

template <class T>
void expect_as_on_cpu(std::int64_t rows, std::int64_t dimension, std::int64_t vocabulary) {
  SCOPED_TRACE(std::string(name_of(dtype_of<T>)) + " " + std::to_string(vocabulary));
  const auto targets = empty({rows}, DType::i64);
  for (std::int64_t r = 0; r < rows; ++r) {
    targets.data<std::int64_t>()[r] = r % 4 == 2 ? -100 : r * 7919 % vocabulary;
  }
  const Problem problem{random_tensor<T>({rows, dimension}, 1),
                        random_tensor<T>({vocabulary, dimension}, 2), targets};
  const Problem in_f64{in_double(problem.x), in_double(problem.weight), targets};
  const auto expected = answer_of(in_f64, rows, cpu_device);
  for (const std::int64_t chunk : {std::int64_t{1}, std::int64_t{3}, rows}) {
    const auto ours = answer_of(problem, chunk, gpu());
    const double sums = 100 * epsilon_of(accumulator_of(dtype_of<T>));
    const double rounded = std::is_same_v<T, BFloat16> ? epsilon_of(DType::bf16) : sums;
    expect_near(ours.nats, expected.nats, sums, "nats ");
    expect_near(ours.loss_sum, expected.loss_sum, static_cast<double>(rows) * sums, "loss ");
    expect_near(ours.count, expected.count, 0, "count ");
    expect_near(ours.correct, expected.correct, 0, "correct ");
    expect_near(ours.dx, expected.dx, 2 * rounded, "dx ");
    expect_near(ours.dweight, expected.dweight, 2 * rounded * static_cast<double>(rows),
                "dweight ");
  }
}

// Vocabularies for warps and for blocks, held in registers and read again, in packs and not.
TEST(LinearCrossEntropyOnGpu, ChunksAreAsOnTheCpu) {
  if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  for (const std::int64_t vocabulary : {1, 7, 64, 300, 1001, 1600, 4100, 4101}) {
    expect_as_on_cpu<float>(5, 9, vocabulary);
    expect_as_on_cpu<double>(5, 9, vocabulary);
    expect_as_on_cpu<BFloat16>(5, 9, vocabulary);
  }
}

}  // namespace
}  // namespace lookback::kernels
