#include "autograd/ops/unary.h"

#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

const OpCase negate_case{"negate",
                         {.shapes = {{{2, 3, 5}}, {{}}, {{0, 7}}, {{33, 31}}, {{1025}}},
                          .call = [](const Inputs& in) { return -in[0]; },
                          .reference =
                              [](const Inputs& in) {
                                const auto* x = in[0].data<double>();
                                return make_f64(in[0].shape(),
                                                [=](std::int64_t i) { return -x[i]; });
                              }}};

}  // namespace
}  // namespace lookback::testing
