#include "autograd/ops/transpose.h"

#include <gtest/gtest.h>

#include "autograd/ops/permute.h"
#include "tests/autograd/rearranged.h"

namespace lookback::testing {
namespace {

const OpCase transpose_case{
    "transpose",
    {.shapes = {{{2, 3, 5}}, {{1, 1}}, {{0, 7}}, {{33, 31}}},
     .call = [](const Inputs& in) { return transpose(in[0], 0, -1); },
     .reference =
         [](const Inputs& in) {
           auto shape = in[0].shape();
           std::swap(shape[0], shape[-1]);
           return rearranged(in[0], shape, [](Index index) {
             std::swap(index.front(), index.back());
             return index;
           });
         },
     .refused = {{[] {
                    transpose(empty({2, 3}, DType::f64), 0, 2);
                  },
                  "[transpose] dim=2 is out of range: a tensor of 2 dimensions has -2 to 1"}}}};

const OpCase permute_case{
    "permute",
    {.shapes = {{{2, 3, 4, 5}}, {{1, 1, 1, 1}}, {{2, 0, 3, 1}}, {{3, 31, 2, 33}}},
     .call =
         [](const Inputs& in) {
           return permute(in[0], {2, 0, -1, 1});
         },
     .reference =
         [](const Inputs& in) {
           const auto& x = in[0].shape();
           return rearranged(in[0], {x[2], x[0], x[3], x[1]}, [](const Index& y) {
             return Index{y[1], y[3], y[0], y[2]};
           });
         },
     .refused = {{[] {
                    permute(empty({2, 3}, DType::f64), {0});
                  },
                  "[permute] 1 dimensions are named: x (2, 3) has 2"},
                 {[] {
                    permute(empty({2, 3}, DType::f64), {0, -2});
                  },
                  "[permute] dimension 0 is named twice"}}}};

TEST(Transpose, IsAView) {
  const auto x = empty({2, 3, 4}, DType::f64);
  EXPECT_EQ(transpose(x, 1, 2).storage(), x.storage());
  EXPECT_EQ(permute(x, {2, 0, 1}).storage(), x.storage());
}

}  // namespace
}  // namespace lookback::testing
