#include "autograd/ops/add.h"

#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

const OpCase add_case{
    "add",
    {.shapes = {{{2, 3}, {2, 3}}, {{4, 1, 3}, {5, 1}}, {{}, {2}}, {{0, 3}, {3}}, {{31, 33}, {33}}, {{1025}, {1}}},
     .call = [](const Inputs& in) { return add(in[0], in[1]); },
     .reference =
         [](const Inputs& in) {
           const auto shape = broadcast_shapes("add", in[0].shape(), in[1].shape());
           const auto at = [&](const Tensor& x, std::int64_t i) {
             std::int64_t index = 0, step = 1;
             for (int back = 1; back <= shape.rank(); ++back) {
               const auto coordinate = i % shape[-back];
               i /= shape[-back];
               if (back > x.rank()) continue;
               if (x.size(-back) != 1) index += coordinate * step;
               step *= x.size(-back);
             }
             return x.data<double>()[index];
           };
           return make_f64(shape, [&](std::int64_t i) { return at(in[0], i) + at(in[1], i); });
         },
     .refused = {{[] { add(make_f64({2}, [](auto) { return 1.0; }), make_f64({3}, [](auto) { return 1.0; })); },
                  "[add] a (2,) and b (3,) do not broadcast"}}}};

}  // namespace
}  // namespace lookback::testing
