#include "autograd/ops/add_rms_norm.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradient.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/rms_norm.h"
#include "autograd/ops/stack.h"
#include "kernels/core/slot.h"
#include "tests/autograd/op_case.h"
#include "tests/autograd/waves.h"

namespace lookback::testing {
namespace {

constexpr double epsilon = 1e-5;
// Not small for rows of one number, whose gradient would be what is left of two equal ones.
double epsilon_for(std::int64_t columns) { return columns == 1 ? 0.5 : epsilon; }
double epsilon_for(const Inputs& in) { return epsilon_for(in[2].numel()); }

const std::vector<Shapes> shapes = {{{2, 3, 5}, {2, 3, 5}, {5}}, {{1, 1}, {1, 1}, {1}},
                                    {{0, 7}, {0, 7}, {7}},       {{7}, {7}, {7}},
                                    {{3, 0}, {3, 0}, {0}},       {{3, 1025}, {3, 1025}, {1025}},
                                    {{130, 31}, {130, 31}, {31}}};

Tensor ones(const Shape& shape) {
  return make_f64(shape, [](auto) { return 1.0; });
}

// Element i of the sum, or of the normed rows.
double sum_at(const Inputs& in, std::int64_t i) {
  return in[0].data<double>()[i] + in[1].data<double>()[i];
}

double normed_at(const Inputs& in, std::int64_t i) {
  const auto columns = in[2].numel();
  double squares = 0;
  for (auto d = i / columns * columns; d < (i / columns + 1) * columns; ++d)
    squares += sum_at(in, d) * sum_at(in, d);
  return sum_at(in, i) / std::sqrt(squares / static_cast<double>(columns) + epsilon_for(columns)) *
         in[2].data<double>()[i % columns];
}

double columns_of(const Shapes& of) { return static_cast<double>(of[2].numel()); }

// Both results are used, so that backward joins two gradients.
const OpCase both_case{"add_rms_norm",
                       {.shapes = shapes,
                        .call =
                            [](const Inputs& in) {
                              const auto result =
                                  add_rms_norm(in[0], in[1], in[2], epsilon_for(in));
                              return stack({result.sum, result.normed}, 0);
                            },
                        .reference =
                            [](const Inputs& in) {
                              auto shape = in[0].shape();
                              const auto count = shape.numel();
                              shape.insert(0, 2);
                              return make_f64(shape, [&](std::int64_t i) {
                                return i < count ? sum_at(in, i) : normed_at(in, i - count);
                              });
                            },
                        .terms = columns_of,
                        .refused = {{[] {
                                       add_rms_norm(ones({2, 3}), ones({3}), ones({3}), epsilon);
                                     },
                                     "[add_rms_norm] x (2, 3) and a (3,) must have one shape"},
                                    {[] {
                                       add_rms_norm(ones({2, 3}), ones({2, 3}), ones({4}), epsilon);
                                     },
                                     "[add_rms_norm] weight (4,) must be (3,): x is (2, 3)"}}}};

const OpCase normed_case{
    "add_rms_norm/normed",
    {.shapes = shapes,
     .call =
         [](const Inputs& in) { return add_rms_norm(in[0], in[1], in[2], epsilon_for(in)).normed; },
     .reference =
         [](const Inputs& in) {
           return make_f64(in[0].shape(), [&](std::int64_t i) { return normed_at(in, i); });
         },
     .terms = columns_of}};

const OpCase sum_case{
    "add_rms_norm/sum",
    {.shapes = shapes,
     .call =
         [](const Inputs& in) { return add_rms_norm(in[0], in[1], in[2], epsilon_for(in)).sum; },
     .reference =
         [](const Inputs& in) {
           return make_f64(in[0].shape(), [&](std::int64_t i) { return sum_at(in, i); });
         }}};

struct Run {
  std::vector<double> normed, dx, da, dweight;
  bool operator==(const Run&) const = default;
};

enum class Way { fused, in_two };

Run run(Way way) {
  const Shape shape{70, 33};
  const auto x = waves(shape, 0.3), a = waves(shape, 0.7), weight = waves({33}, 1.1);
  for (const auto& leaf : {x, a, weight}) set_requires_grad(leaf);
  AddRmsNormResult result;
  if (way == Way::fused) {
    result = add_rms_norm(x, a, weight, epsilon);
  } else {
    result.sum = add(x, a);
    result.normed = rms_norm(result.sum, weight, epsilon);
  }
  const Tensor roots[] = {result.sum, result.normed};
  const Tensor gradients[] = {waves(shape, 1.3), waves(shape, 1.9)};
  backward(roots, gradients, AfterBackward::release);
  return {to_doubles(result.normed), to_doubles(gradient(x)), to_doubles(gradient(a)),
          to_doubles(gradient(weight))};
}

TEST(AddRmsNorm, HasTheBitsOfAddAndRmsNorm) { EXPECT_EQ(run(Way::fused), run(Way::in_two)); }

TEST(AddRmsNorm, IsOneKernelEachWay) {
  std::vector<std::string> names;
  const kernels::ObserveKernels watch(
      [&](const auto& slot, const auto&, const auto&) { names.emplace_back(slot.name); });
  const auto x = from_values<float>({1, 2}, {1, 2}), weight = from_values<float>({1, 1}, {2});
  const auto a = x.detach();
  set_requires_grad(x);
  const auto result = add_rms_norm(x, a, weight, epsilon);
  const Tensor roots[] = {result.sum, result.normed};
  const Tensor gradients[] = {a, a};
  backward(roots, gradients, AfterBackward::release);
  EXPECT_EQ(names, (std::vector<std::string>{"add_rms_norm_forward", "rms_norm_backward"}));
}

}  // namespace
}  // namespace lookback::testing
