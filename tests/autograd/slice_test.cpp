#include "autograd/ops/slice.h"

#include <gtest/gtest.h>

#include "autograd/ops/binary.h"
#include "tests/autograd/rearranged.h"

namespace lookback::testing {
namespace {

OpCaseOptions along(int dim, std::int64_t begin, std::int64_t end, std::vector<Shapes> shapes) {
  return {.shapes = std::move(shapes),
          .call = [=](const Inputs& in) { return slice(in[0], dim, begin, end); },
          .reference =
              [=](const Inputs& in) {
                auto shape = in[0].shape();
                shape[dim] = end - begin;
                const auto position = static_cast<std::size_t>(dim < 0 ? dim + shape.rank() : dim);
                return rearranged(in[0], shape, [=](Index index) {
                  index[position] += begin;
                  return index;
                });
              },
          .refused = {{[] {
                         slice(empty({2, 3}, DType::f64), 1, 2, 4);
                       },
                       "[slice] [2, 4) must lie within [0, 3): dimension 1 of x (2, 3)"},
                      {[] {
                         slice(empty({2, 3}, DType::f64), 0, -1, 1);
                       },
                       "[slice] [-1, 1) must lie within"},
                      {[] {
                         slice(empty({2, 3}, DType::f64), 0, 2, 1);
                       },
                       "[slice] [2, 1) must lie within"}}};
}

const OpCase middle{"slice", along(1, 1, 3, {{{2, 3, 5}}, {{1, 3}}, {{0, 4}}, {{33, 31}}})};
const OpCase first{"slice/first", along(0, 0, 2, {{{2, 3, 5}}, {{4}}, {{31, 33}}})};
const OpCase last{"slice/last", along(-1, 2, 5, {{{2, 3, 5}}, {{33, 1025}}})};
const OpCase nothing{"slice/nothing", along(-1, 2, 2, {{{2, 3}}, {{3}}})};
// Two slices that overlap: their gradients add up.
const OpCase overlap{
    "slice/overlap",
    {.shapes = {{{3, 4}}, {{31, 4}}},
     .call = [](const Inputs& in) { return slice(in[0], 1, 0, 3) * slice(in[0], 1, 1, 4); },
     .reference =
         [](const Inputs& in) {
           return make_f64({in[0].size(0), 3}, [&](std::int64_t i) {
             return element_at(in[0], {i / 3, i % 3}) * element_at(in[0], {i / 3, i % 3 + 1});
           });
         }}};

TEST(Slice, IsAView) {
  const auto x = empty({2, 3}, DType::f64);
  EXPECT_EQ(slice(x, 1, 1, 2).storage(), x.storage());
}

}  // namespace
}  // namespace lookback::testing
