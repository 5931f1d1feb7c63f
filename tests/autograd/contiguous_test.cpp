#include "autograd/ops/contiguous.h"

#include "autograd/ops/transpose.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

const OpCase contiguous_case{"contiguous",
                             {.shapes = {{{2, 3, 5}}, {{}}, {{0, 7}}, {{33, 31}}},
                              .call = [](const Inputs& in) { return contiguous(in[0]); },
                              .reference = [](const Inputs& in) { return in[0]; }}};

// The rows of the transposed matrix, copied.
const OpCase transposed_case{
    "contiguous/transposed",
    {.shapes = {{{3, 5}}, {{1, 7}}, {{0, 7}}, {{33, 31}}},
     .call = [](const Inputs& in) { return contiguous(transpose(in[0], 0, 1)); },
     .reference =
         [](const Inputs& in) {
           const auto rows = in[0].size(0), columns = in[0].size(1);
           return make_f64({columns, rows}, [&](std::int64_t i) {
             return in[0].data<double>()[i % rows * columns + i / rows];
           });
         }}};

}  // namespace
}  // namespace lookback::testing
