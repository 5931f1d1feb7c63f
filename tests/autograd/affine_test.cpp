#include "autograd/ops/binary.h"

#include <gtest/gtest.h>

#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

const OpCase affine_case{"affine",
                         {.shapes = {{{2, 3, 5}}, {{}}, {{0, 7}}, {{33, 31}}, {{1025}}},
                          .call = [](const Inputs& in) { return affine(in[0], -0.3, 1.7); },
                          .reference =
                              [](const Inputs& in) {
                                const auto* x = in[0].data<double>();
                                return make_f64(in[0].shape(),
                                                [=](std::int64_t i) { return -0.3 * x[i] + 1.7; });
                              },
                          .refused = {{[] { affine(empty({2}, DType::i64), 1, 0); },
                                       "[affine] x int64 must have a floating dtype"}}}};

TEST(Affine, OperatorsOfATensorAndANumber) {
  const auto x = make_f64({}, [](std::int64_t) { return 3.0; });
  EXPECT_EQ((x + 2).item(), 5);
  EXPECT_EQ((2 + x).item(), 5);
  EXPECT_EQ((x - 2).item(), 1);
  EXPECT_EQ((2 - x).item(), -1);
  EXPECT_EQ((x * 2).item(), 6);
  EXPECT_EQ((2 * x).item(), 6);
  EXPECT_EQ((x / 2).item(), 1.5);
}

}  // namespace
}  // namespace lookback::testing
