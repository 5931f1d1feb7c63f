#include "autograd/ops/contiguous.h"

#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

const OpCase contiguous_case{"contiguous",
                             {.shapes = {{{2, 3, 5}}, {{}}, {{0, 7}}, {{33, 31}}},
                              .call = [](const Inputs& in) { return contiguous(in[0]); },
                              .reference = [](const Inputs& in) { return in[0]; }}};

}  // namespace
}  // namespace lookback::testing
