#include "autograd/ops/rms_norm.h"

#include <cmath>

#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

const OpCase rms_norm_case{
    "rms_norm",
    {.shapes = {{{2, 3, 5}, {5}},
                {{1, 1}, {1}},
                {{0, 7}, {7}},
                {{7}, {7}},
                {{33, 1025}, {1025}},
                {{130, 31}, {31}}},
     .call = [](const Inputs& in) { return rms_norm(in[0], in[1], 1e-5); },
     .reference =
         [](const Inputs& in) {
           const auto columns = in[1].numel();
           const auto* x = in[0].data<double>();
           const auto* weight = in[1].data<double>();
           return make_f64(in[0].shape(), [=](std::int64_t i) {
             double squares = 0;
             for (auto d = i / columns * columns; d < (i / columns + 1) * columns; ++d)
               squares += x[d] * x[d];
             return x[i] / std::sqrt(squares / static_cast<double>(columns) + 1e-5) *
                    weight[i % columns];
           });
         },
     .terms = [](const Shapes& shapes) { return static_cast<double>(shapes[1].numel()); },
     .refused = {{[] {
                    rms_norm(make_f64({2, 3}, [](auto) { return 1.0; }),
                             make_f64({4}, [](auto) { return 1.0; }), 1e-5);
                  },
                  "[rms_norm] weight (4,) must be (3,): x is (2, 3)"}}}};

}  // namespace
}  // namespace lookback::testing
