#include "autograd/ops/binary.h"

#include "tests/autograd/broadcast_reference.h"

namespace lookback::testing {
namespace {

const OpCase divide_case{
    "divide",
    {.shapes = broadcast_variants,
     .call = [](const Inputs& in) { return divide(in[0], in[1]); },
     .reference =
         [](const Inputs& in) {
           return broadcast_reference(in, [](double a, double b) { return a / b; });
         },
     .input =
         [](std::size_t which, const Shape& shape, std::mt19937_64& random) {
           if (which == 0) return Tensor{};
           std::uniform_real_distribution<double> size(0.5, 2);  // away from zero
           return make_f64(shape,
                           [&](std::int64_t i) { return (i % 2 == 0 ? 1 : -1) * size(random); });
         },
     .refused = {{[] { divide(ones({2}), ones({3})); },
                  "[divide] a (2,) and b (3,) do not broadcast"},
                 {[] { divide(ones({2}), ones({2}, DType::f32)); },
                  "[divide] a float64 and b float32 must have one dtype"},
                 {[] { divide(empty({2}, DType::i64), empty({2}, DType::i64)); },
                  "[divide] a int64 must have a floating dtype"}}}};

}  // namespace
}  // namespace lookback::testing
