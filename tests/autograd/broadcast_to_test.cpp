#include "autograd/ops/broadcast_to.h"

#include "tests/autograd/broadcast_reference.h"

namespace lookback::testing {
namespace {

OpCaseOptions to(const Shape& shape, std::vector<Shapes> shapes) {
  return {.shapes = std::move(shapes),
          .call = [=](const Inputs& in) { return broadcast_to(in[0], shape); },
          .reference =
              [=](const Inputs& in) {
                return make_f64(shape,
                                [&](std::int64_t i) { return broadcast_element(in[0], shape, i); });
              },
          .refused = {{[] {
                         broadcast_to(ones({2}), {2, 3});
                       },
                       "[broadcast_to] x (2,) does not broadcast to (2, 3)"},
                      {[] {
                         broadcast_to(ones({1, 3}), {3});
                       },
                       "[broadcast_to] x (1, 3) does not broadcast to (3,)"}}};
}

const OpCase small{"broadcast_to",
                   to({2, 3, 4}, {{{3, 1}}, {{}}, {{2, 1, 4}}, {{2, 3, 4}}, {{1}}})};
const OpCase large{"broadcast_to/large", to({31, 1025}, {{{1025}}, {{31, 1}}})};
const OpCase nothing{"broadcast_to/nothing", to({0, 3}, {{{3}}, {{1, 3}}, {{0, 1}}})};

}  // namespace
}  // namespace lookback::testing
