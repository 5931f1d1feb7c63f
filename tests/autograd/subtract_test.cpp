#include "autograd/ops/binary.h"

#include "tests/autograd/broadcast_reference.h"

namespace lookback::testing {
namespace {

const OpCase subtract_case{
    "subtract",
    {.shapes = broadcast_variants,
     .call = [](const Inputs& in) { return subtract(in[0], in[1]); },
     .reference =
         [](const Inputs& in) {
           return broadcast_reference(in, [](double a, double b) { return a - b; });
         },
     .refused = {{[] { subtract(ones({2}), ones({3})); },
                  "[subtract] a (2,) and b (3,) do not broadcast"},
                 {[] { subtract(ones({2}), ones({2}, DType::f32)); },
                  "[subtract] a float64 and b float32 must have one dtype"}}}};

}  // namespace
}  // namespace lookback::testing
