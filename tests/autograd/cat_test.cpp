#include "autograd/ops/cat.h"

#include "autograd/ops/stack.h"
#include "tests/autograd/rearranged.h"

namespace lookback::testing {
namespace {

Tensor cat_reference(const Inputs& in, std::size_t dim) {
  auto shape = in[0].shape();
  shape[static_cast<int>(dim)] = 0;
  for (const auto& x : in) shape[static_cast<int>(dim)] += x.size(static_cast<int>(dim));
  return make_f64(shape, [&](std::int64_t i) {
    auto index = index_of(i, shape);
    std::size_t which = 0;
    while (index[dim] >= in[which].size(static_cast<int>(dim))) {
      index[dim] -= in[which++].size(static_cast<int>(dim));
    }
    return element_at(in[which], index);
  });
}

const OpCase rows{
    "cat",
    {.shapes = {{{2, 3}, {1, 3}}, {{4}}, {{2}, {0}, {3}}, {{0, 2}, {0, 2}}, {{31, 33}, {33, 33}}},
     .call = [](const Inputs& in) { return cat(in, 0); },
     .reference = [](const Inputs& in) { return cat_reference(in, 0); },
     .refused = {{[] { cat({}, 0); }, "[cat] there must be at least one tensor"},
                 {[] {
                    cat({empty({2, 3}, DType::f64), empty({2, 4}, DType::f64)}, 0);
                  },
                  "[cat] (2, 3) and (2, 4) must be equal but in dimension 0"},
                 {[] {
                    cat({empty({2, 3}, DType::f64), empty({2}, DType::f64)}, 0);
                  },
                  "[cat] (2, 3) and (2,) must be equal but in dimension 0"},
                 {[] {
                    cat({empty({2}, DType::f64), empty({2}, DType::f32)}, 0);
                  },
                  "[cat] float64 and float32 must have one dtype"}}}};
const OpCase columns{
    "cat/columns",
    {.shapes = {{{2, 3}, {2, 1}, {2, 4}}, {{2, 3, 2}, {2, 5, 2}}, {{33, 31}, {33, 1025}}},
     .call = [](const Inputs& in) { return cat(in, 1); },
     .reference = [](const Inputs& in) { return cat_reference(in, 1); }}};
// One tensor twice: its gradient is the sum of both parts.
const OpCase twice{"cat/twice",
                   {.shapes = {{{2, 3}}, {{31, 33}}},
                    .call =
                        [](const Inputs& in) {
                          return cat({in[0], in[0]}, -1);
                        },
                    .reference =
                        [](const Inputs& in) {
                          return cat_reference({in[0], in[0]}, 1);
                        }}};

const OpCase stack_case{
    "cat/stack",
    {.shapes = {{{2, 3}, {2, 3}}, {{0, 3}}, {{}, {}, {}}, {{31, 33}, {31, 33}}},
     .call = [](const Inputs& in) { return stack(in, -1); },
     .reference =
         [](const Inputs& in) {
           auto shape = in[0].shape();
           shape.push_back(static_cast<std::int64_t>(in.size()));
           return make_f64(shape, [&](std::int64_t i) {
             const auto count = shape[-1];
             return in[static_cast<std::size_t>(i % count)].data<double>()[i / count];
           });
         },
     .refused = {{[] { stack({}, 0); }, "[stack] there must be at least one tensor"},
                 {[] {
                    stack({empty({2}, DType::f64), empty({3}, DType::f64)}, 0);
                  },
                  "[stack] (2,) and (3,) must have one shape"}}}};

}  // namespace
}  // namespace lookback::testing
