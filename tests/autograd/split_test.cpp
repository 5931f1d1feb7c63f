#include "autograd/ops/split.h"

#include <gtest/gtest.h>

#include "autograd/gradient.h"
#include "autograd/ops/binary.h"
#include "kernels/core/slot.h"
#include "tests/autograd/rearranged.h"

namespace lookback::testing {
namespace {

// Part `which` of three, which lies at `begin`; the others get no gradient.
OpCaseOptions part(std::size_t which, std::int64_t begin, std::int64_t size,
                   std::vector<Shapes> shapes) {
  return {.shapes = std::move(shapes),
          .call =
              [=](const Inputs& in) {
                return split(in[0], -1, {2, 0, in[0].size(-1) - 2})[which];
              },
          .reference =
              [=](const Inputs& in) {
                auto shape = in[0].shape();
                shape[-1] = size >= 0 ? size : shape[-1] - begin;
                return rearranged(in[0], shape, [=](Index index) {
                  index.back() += begin;
                  return index;
                });
              },
          .refused = {{[] {
                         split(empty({2, 3}, DType::f64), 1, {1, 1});
                       },
                       "[split] 2 parts of 2 in all must fill dimension 1 of x (2, 3)"},
                      {[] {
                         split(empty({2, 3}, DType::f64), 1, {4, -1});
                       },
                       "[split] size -1 must not be negative"},
                      {[] {
                         split(empty({2, 0}, DType::f64), 1, {});
                       },
                       "[split] 0 parts of 0 in all must fill"}}};
}

const std::vector<Shapes> shapes = {{{2, 3, 5}}, {{4}}, {{0, 4}}, {{33, 31}}, {{3, 1025}}};
const OpCase first{"split", part(0, 0, 2, shapes)};
const OpCase nothing{"split/nothing", part(1, 2, 0, {{{2, 3}}, {{3}}})};
const OpCase last{"split/last", part(2, 2, -1, shapes)};

// All parts are used, with different factors: no gradient reaches another's place.
const OpCase all{"split/all",
                 {.shapes = {{{6, 4}}, {{6}}, {{6, 0}}, {{6, 33}}},
                  .call =
                      [](const Inputs& in) {
                        const auto parts = split(in[0], 0, {2, 2, 2});
                        return parts[0] * parts[1] * parts[2] * parts[2];
                      },
                  .reference =
                      [](const Inputs& in) {
                        auto shape = in[0].shape();
                        shape[0] = 2;
                        const auto step = shape.numel();
                        return make_f64(shape, [&](std::int64_t i) {
                          const auto* x = in[0].data<double>() + i;
                          return x[0] * x[step] * x[2 * step] * x[2 * step];
                        });
                      },
                  .terms = [](const Shapes&) { return 4.0; }}};

TEST(Split, PartsAreViewsAndBackwardIsOneCat) {
  const auto x = make_f64({2, 6}, [](std::int64_t i) { return static_cast<double>(i); });
  set_requires_grad(x);
  const auto parts = split(x, 1, {1, 2, 3});
  for (const auto& part : parts) EXPECT_EQ(part.storage(), x.storage());
  const Tensor gradients[] = {
      make_f64({2, 1}, [](auto) { return 7.0; }), {}, make_f64({2, 3}, [](auto) { return 9.0; })};
  std::vector<std::string> names;
  {
    const kernels::ObserveKernels watch(
        [&](const auto& slot, const auto&, const auto&) { names.emplace_back(slot.name); });
    backward(parts, gradients, AfterBackward::release);
  }
  EXPECT_EQ(std::count(names.begin(), names.end(), "cat_forward"), 1);
  EXPECT_EQ(to_doubles(gradient(x)), (std::vector<double>{7, 0, 0, 9, 9, 9, 7, 0, 0, 9, 9, 9}));
}

}  // namespace
}  // namespace lookback::testing
