#include "autograd/ops/binary.h"

#include "tests/autograd/broadcast_reference.h"

namespace lookback::testing {
namespace {

const OpCase add_case{
    "add",
    {.shapes = broadcast_variants,
     .call = [](const Inputs& in) { return add(in[0], in[1]); },
     .reference =
         [](const Inputs& in) {
           return broadcast_reference(in, [](double a, double b) { return a + b; });
         },
     .refused = {{[] { add(ones({2}), ones({3})); }, "[add] a (2,) and b (3,) do not broadcast"},
                 {[] { add(ones({2}), ones({2}, DType::f32)); },
                  "[add] a float64 and b float32 must have one dtype"}}}};

}  // namespace
}  // namespace lookback::testing
