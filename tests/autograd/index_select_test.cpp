#include "autograd/ops/index_select.h"

#include <gtest/gtest.h>

#include "autograd/gradient.h"
#include "autograd/ops/gather.h"
#include "tests/autograd/rearranged.h"

namespace lookback::testing {
namespace {

Tensor integers(const std::vector<std::int64_t>& values, const Shape& shape) {
  return from_values(values, shape);
}

// Input 1: integers in [0, size).
auto indices_below(std::int64_t size) {
  return [=](std::size_t which, const Shape& shape, std::mt19937_64& random) {
    if (which == 0) return Tensor{};
    std::uniform_int_distribution<std::int64_t> uniform(0, size - 1);
    const auto index = empty(shape, DType::i64);
    for (std::int64_t i = 0; i < index.numel(); ++i)
      index.data<std::int64_t>()[i] = uniform(random);
    return index;
  };
}

// Shapes of x with `size` along dim, and of the index.
OpCaseOptions selects(int dim, std::int64_t size, std::vector<Shapes> shapes) {
  return {.shapes = std::move(shapes),
          .call = [=](const Inputs& in) { return index_select(in[0], dim, in[1]); },
          .reference =
              [=](const Inputs& in) {
                auto shape = in[0].shape();
                shape[dim] = in[1].numel();
                const auto position = static_cast<std::size_t>(dim < 0 ? dim + shape.rank() : dim);
                return rearranged(in[0], shape, [=](Index index) {
                  index[position] = in[1].data<std::int64_t>()[index[position]];
                  return index;
                });
              },
          .input = indices_below(size),
          .refused = {{[] {
                         index_select(empty({2, 3}, DType::f64), 1, integers({0, 2, 3}, {3}));
                       },
                       "[index_select] index 3 at (2,) of (3,) must be in [0, 3)"},
                      {[] {
                         index_select(empty({2, 3}, DType::f64), 0, integers({-1}, {1}));
                       },
                       "[index_select] index -1 at (0,) of (1,) must be in [0, 2)"},
                      {[] {
                         index_select(empty({2, 3}, DType::f64), 0, integers({1}, {1, 1}));
                       },
                       "[index_select] index (1, 1) must have one dimension"},
                      {[] {
                         index_select(empty({2, 3}, DType::f64), 0, empty({1}, DType::f64));
                       },
                       "[index_select] index must be int64, not float64"}}};
}

const OpCase rows{
    "index_select",
    selects(0, 4, {{{4, 3}, {7}}, {{4}, {2}}, {{4, 0}, {3}}, {{4, 3}, {0}}, {{4, 1025}, {33}}})};
const OpCase middle{"index_select/middle", selects(1, 3, {{{2, 3, 4}, {5}}, {{31, 3, 33}, {31}}})};
const OpCase last{"index_select/last",
                  selects(-1, 5, {{{2, 5}, {4}}, {{0, 5}, {2}}, {{33, 5}, {1025}}})};

OpCaseOptions gathers(int dim, std::int64_t size, std::vector<Shapes> shapes) {
  return {.shapes = std::move(shapes),
          .call = [=](const Inputs& in) { return gather(in[0], dim, in[1]); },
          .reference =
              [=](const Inputs& in) {
                const auto& shape = in[1].shape();
                const auto position = static_cast<std::size_t>(dim < 0 ? dim + shape.rank() : dim);
                std::int64_t at = 0;  // rearranged() asks in row-major order
                return rearranged(in[0], shape, [&](Index index) {
                  index[position] = in[1].data<std::int64_t>()[at++];
                  return index;
                });
              },
          .input = indices_below(size),
          .refused = {{[] {
                         gather(empty({2, 3}, DType::f64), 1, integers({0, 2, 1, 3}, {2, 2}));
                       },
                       "[gather] index 3 at (1, 1) of (2, 2) must be in [0, 3)"},
                      {[] {
                         gather(empty({2, 3}, DType::f64), 1, integers({0, 2}, {1, 2}));
                       },
                       "[gather] index (1, 2) must be x (2, 3) but in dimension 1"},
                      {[] {
                         gather(empty({2, 3}, DType::f64), 1, integers({0, 2}, {2}));
                       },
                       "[gather] index (2,) must be x (2, 3) but in dimension 1"},
                      {[] { gather(empty({2}, DType::f64), 0, empty({2}, DType::f32)); },
                       "[gather] index must be int64, not float32"}}};
}

const OpCase gather_last{
    "gather",
    gathers(-1, 5, {{{2, 5}, {2, 3}}, {{5}, {1}}, {{0, 5}, {0, 2}}, {{33, 5}, {33, 31}}})};
const OpCase gather_first{
    "gather/first", gathers(0, 4, {{{4, 3}, {7, 3}}, {{4, 3}, {0, 3}}, {{4, 1025}, {3, 1025}}})};
const OpCase gather_middle{"gather/middle", gathers(1, 3, {{{2, 3, 4}, {2, 5, 4}}})};

// A thousand ones to one place: in bf16 a running sum would stop at 256.
TEST(IndexSelect, GradientsAddUpInTheAccumulatorType) {
  const auto ones = empty({1000}, DType::bf16);
  std::fill_n(ones.data<BFloat16>(), 1000, BFloat16(1.0F));
  const auto index = zeros({1000}, DType::i64);
  for (const auto& pick : {index_select, gather}) {
    const auto x = zeros({3}, DType::bf16);
    set_requires_grad(x);
    backward(pick(x, 0, index), ones);
    EXPECT_EQ(gradient(x).dtype(), DType::bf16);
    EXPECT_EQ(to_doubles(gradient(x)), (std::vector<double>{1000, 0, 0}));
  }
}

}  // namespace
}  // namespace lookback::testing
