#include "autograd/ops/linear_cross_entropy.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "kernels/copy.h"
#include "kernels/core/slot.h"
#include "runtime/allocator.h"
#include "runtime/parallel.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

Tensor ones(const Shape& shape) {
  return make_f64(shape, [](auto) { return 1.0; });
}

Tensor waves(const Shape& shape, double frequency, DType dtype) {
  const auto x = empty(shape, dtype);
  const auto values = make_f64(
      shape, [=](std::int64_t i) { return std::sin(frequency * static_cast<double>(i + 1)); });
  kernels::copy_forward(Backend::cpu, {.x = values, .y = x});
  return x;
}

// Every seventh is ignored.
Tensor targets_below(std::int64_t vocabulary, const Shape& shape) {
  const auto targets = empty(shape, DType::i64);
  for (std::int64_t i = 0; i < targets.numel(); ++i) {
    targets.data<std::int64_t>()[i] = i % 7 == 3 ? -100 : i * 7919 % vocabulary;
  }
  return targets;
}

const OpCase linear_cross_entropy_case{
    "linear_cross_entropy",
    {.shapes = {{{2, 3, 4}, {5, 4}, {2, 3}},
                {{4, 4}, {4, 4}, {4}},
                {{3, 2}, {1, 2}, {3}},
                {{0, 7}, {3, 7}, {0}},
                {{5, 0}, {4, 0}, {5}},
                {{31, 33}, {65, 33}, {31}},
                {{9, 20}, {1025, 20}, {9}}},
     .call = [](const Inputs& in) { return linear_cross_entropy(in[0], in[1], in[2]).loss_sum; },
     .reference =
         [](const Inputs& in) {
           const auto inner = in[1].size(1), vocabulary = in[1].size(0);
           double total = 0;
           for (std::int64_t r = 0; r < in[2].numel(); ++r) {
             const auto target = in[2].data<std::int64_t>()[r];
             if (target == -100) continue;
             double sum = 0, at_target = 0;
             for (std::int64_t v = 0; v < vocabulary; ++v) {
               double logit = 0;
               for (std::int64_t k = 0; k < inner; ++k) {
                 logit += in[0].data<double>()[r * inner + k] * in[1].data<double>()[v * inner + k];
               }
               sum += std::exp(logit);
               if (v == target) at_target = logit;
             }
             total += std::log(sum) - at_target;
           }
           return make_f64({}, [=](auto) { return total; });
         },
     .input =
         [](std::size_t which, const Shape& shape, std::mt19937_64&) {
           return which == 2 ? targets_below(shape == Shape{3} ? 1 : 4, shape) : Tensor{};
         },
     .terms = [](const Shapes& shapes) { return static_cast<double>(shapes[1].numel()); },
     .large = 3,  // the reference sums plain exponentials
     .refused = {{[] {
                    linear_cross_entropy(ones({2, 3}), ones({4, 5}), targets_below(4, {2}));
                  },
                  "[linear_cross_entropy] weight (4, 5) must be (V, 3): x is (2, 3)"},
                 {[] {
                    linear_cross_entropy(ones({2, 3}), ones({4, 3}), targets_below(4, {3}));
                  },
                  "[linear_cross_entropy] targets int64 (3,) must be int64 (2,): x is (2, 3)"},
                 {[] {
                    linear_cross_entropy(ones({2, 3}), ones({4, 3}),
                                         from_values<std::int64_t>({0, 4}, {2}));
                  },
                  "[linear_cross_entropy] target 4 at (1,) of (2,) must be in [0, 4), or -100 to "
                  "be ignored"}}}};

struct Run {
  std::vector<double> loss, dx, dweight;
};

enum class Way { fused, in_two };

Run run(Way way, const Tensor& given_x, const Tensor& given_weight, const Tensor& targets,
        Products products) {
  const auto x = given_x.detach(), weight = given_weight.detach();
  set_requires_grad(x);
  set_requires_grad(weight);
  const auto result = way == Way::fused ? linear_cross_entropy(x, weight, targets, products)
                                        : cross_entropy(linear(x, weight, {}, products), targets);
  const auto loss = mean_loss(result);
  backward(loss);
  return {to_doubles(loss), to_doubles(gradient(x)), to_doubles(gradient(weight))};
}

void expect_near(const std::vector<double>& a, const std::vector<double>& b, double relative) {
  ASSERT_EQ(a.size(), b.size());
  double largest = 0;
  for (const double value : b) largest = std::max(largest, std::fabs(value));
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], relative * largest) << i;
}

void expect_same(const Tensor& x, const Tensor& weight, const Tensor& targets, Products products,
                 double relative) {
  const auto fused = run(Way::fused, x, weight, targets, products);
  const auto in_two = run(Way::in_two, x, weight, targets, products);
  expect_near(fused.loss, in_two.loss, relative);
  expect_near(fused.dx, in_two.dx, relative);
  expect_near(fused.dweight, in_two.dweight, relative);
}

// 300 rows of 40,000 logits are two chunks.
constexpr std::int64_t many_words = 40000;

TEST(LinearCrossEntropy, EqualsLinearAndCrossEntropy) {
  const auto x = waves({300, 3}, 0.37, DType::f32),
             weight = waves({many_words, 3}, 0.71, DType::f32);
  expect_same(x, weight, targets_below(many_words, {300}), Products::native, 1e-5);
  const auto x64 = waves({4, 5, 70}, 0.37, DType::f64),
             weight64 = waves({33, 70}, 0.71, DType::f64);
  expect_same(x64, weight64, targets_below(33, {4, 5}), Products::native, 1e-14);
}

TEST(LinearCrossEntropy, HonorsBfloat16Products) {
  const auto x = waves({20, 70}, 0.37, DType::f32), weight = waves({33, 70}, 0.71, DType::f32);
  const auto targets = targets_below(33, {20});
  // The gradient of the logits is rounded before (fused) or after (in two) its scale: 2^-8.
  expect_same(x, weight, targets, Products::bfloat16, 8e-3);
  const auto fused = run(Way::fused, x, weight, targets, Products::bfloat16);
  const auto exact = run(Way::fused, x, weight, targets, Products::native);
  EXPECT_GT(std::fabs(fused.loss[0] - exact.loss[0]), 1e-4);
  EXPECT_NEAR(fused.loss[0], exact.loss[0], 1e-1);
}

TEST(LinearCrossEntropy, SeveralChunksHaveTheSameBitsAtAnyNumberOfThreads) {
  const auto x = waves({300, 3}, 0.37, DType::f32),
             weight = waves({many_words, 3}, 0.71, DType::f32);
  const auto targets = targets_below(many_words, {300});
  const int before = num_threads();
  set_num_threads(1);
  const auto one = run(Way::fused, x, weight, targets, Products::native);
  set_num_threads(3);
  const auto three = run(Way::fused, x, weight, targets, Products::native);
  set_num_threads(before);
  EXPECT_EQ(one.loss, three.loss);
  EXPECT_EQ(one.dx, three.dx);
  EXPECT_EQ(one.dweight, three.dweight);
}

TEST(LinearCrossEntropy, TheLogitsNeverExist) {
  const std::int64_t rows = 600;
  const auto x = waves({rows, 3}, 0.37, DType::f32),
             weight = waves({many_words, 3}, 0.71, DType::f32);
  set_requires_grad(x);
  set_requires_grad(weight);
  auto& allocator = allocator_for(cpu_device);
  const auto before = memory_stats().live_bytes;
  allocator.reset_peak_bytes();
  backward(mean_loss(linear_cross_entropy(x, weight, targets_below(many_words, {rows}))));
  const auto logits_bytes = static_cast<std::size_t>(rows * many_words) * sizeof(float);
  EXPECT_LT(memory_stats().peak_bytes - before, logits_bytes / 2);
}

TEST(LinearCrossEntropy, CountsAndKeepsNatsLikeCrossEntropy) {
  const auto x = waves({20, 7}, 0.37, DType::f64), weight = waves({9, 7}, 0.71, DType::f64);
  const auto targets = targets_below(9, {20});
  const CrossEntropyOptions options{.count_correct = true, .keep_nats = true};
  const auto fused = linear_cross_entropy(x, weight, targets, Products::native, options);
  const auto in_two = cross_entropy(linear(x, weight), targets, options);
  EXPECT_EQ(fused.count.item(), 17);
  EXPECT_EQ(fused.correct.item(), in_two.correct.item());
  EXPECT_GT(fused.correct.item(), 0);
  expect_near(to_doubles(fused.nats), to_doubles(in_two.nats), 1e-14);
  EXPECT_EQ(to_doubles(fused.nats)[3], 0);
  set_requires_grad(weight);
  EXPECT_THROW(linear_cross_entropy(x, weight, targets, Products::native, options), Error);
  const NoGrad no_grad;
  EXPECT_EQ(to_doubles(linear_cross_entropy(x, weight, targets, Products::native, options).nats),
            to_doubles(fused.nats));
}

TEST(LinearCrossEntropy, WithoutAnyTargetLossAndGradientsAreZero) {
  for (const std::int64_t rows : {0, 3}) {
    const auto x = waves({rows, 4}, 0.37, DType::f32), weight = waves({5, 4}, 0.71, DType::f32);
    set_requires_grad(x);
    set_requires_grad(weight);
    const std::vector<std::int64_t> none(static_cast<std::size_t>(rows), -100);
    const auto result = linear_cross_entropy(x, weight, from_values(none, {rows}));
    EXPECT_EQ(result.count.item(), 0);
    EXPECT_EQ(result.loss_sum.item(), 0);
    backward(mean_loss(result));
    for (const double g : to_doubles(gradient(x))) EXPECT_EQ(g, 0);
    for (const double g : to_doubles(gradient(weight))) EXPECT_EQ(g, 0);
  }
}

// What backward of loss_sum with the given gradient leaves in the weight, and the kernels it ran.
struct Pass {
  std::vector<double> gradient;
  std::vector<std::string> kernels;
};

Pass pass(const Tensor& loss_sum, const Tensor& weight, float upstream, AfterBackward after) {
  Pass result;
  clear_gradient(weight);
  const kernels::ObserveKernels watch(
      [&](const auto& slot, const auto&, const auto&) { result.kernels.emplace_back(slot.name); });
  backward(loss_sum, from_values<float>({upstream}, {}), after);
  result.gradient = to_doubles(gradient(weight));
  result.kernels.pop_back();  // to_doubles's copy
  return result;
}

TEST(LinearCrossEntropy, BackwardScalesOnlyWhenItMust) {
  const auto x = waves({6, 4}, 0.37, DType::f32), weight = waves({5, 4}, 0.71, DType::f32);
  const auto targets = targets_below(5, {6});
  set_requires_grad(weight);
  const auto loss = [&] { return linear_cross_entropy(x, weight, targets).loss_sum; };
  const auto plain = pass(loss(), weight, 1, AfterBackward::release);
  EXPECT_TRUE(plain.kernels.empty());
  const auto halved = pass(loss(), weight, 0.5F, AfterBackward::release);
  EXPECT_EQ(halved.kernels.size(), 1u);
  for (std::size_t i = 0; i < plain.gradient.size(); ++i)
    EXPECT_EQ(halved.gradient[i], plain.gradient[i] / 2);
}

TEST(LinearCrossEntropy, ASecondBackwardSeesTheSameGradients) {
  const auto x = waves({6, 4}, 0.37, DType::f32), weight = waves({5, 4}, 0.71, DType::f32);
  set_requires_grad(weight);
  const auto loss_sum = linear_cross_entropy(x, weight, targets_below(5, {6})).loss_sum;
  const auto first = pass(loss_sum, weight, 0.5F, AfterBackward::retain);
  const auto held = gradient(weight);
  const auto second = pass(loss_sum, weight, 0.25F, AfterBackward::retain);
  const auto third = pass(loss_sum, weight, 1, AfterBackward::release);
  for (std::size_t i = 0; i < first.gradient.size(); ++i) {
    EXPECT_EQ(first.gradient[i], third.gradient[i] / 2);
    EXPECT_EQ(second.gradient[i], third.gradient[i] / 4);
  }
  EXPECT_EQ(to_doubles(held), first.gradient);
}

}  // namespace
}  // namespace lookback::testing
