#include "autograd/ops/mean.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/autograd/reduction_reference.h"

namespace lookback::testing {
namespace {

double mean_of(std::span<const double> terms) {
  double total = 0;
  for (const double value : terms) total += value;
  return total / static_cast<double>(terms.size());
}

OpCaseOptions over(const std::vector<int>& dims, KeepDims keep, const Shapes& shapes) {
  std::vector<Shapes> variants;
  for (const auto& shape : shapes) variants.push_back({shape});
  return {.shapes = variants,
          .call = [=](const Inputs& in) { return mean(in[0], dims, keep); },
          .reference =
              [=](const Inputs& in) { return reduction_reference(in[0], dims, keep, mean_of); },
          .terms = [=](const Shapes& in) { return reduced_terms(in[0], dims); }};
}

// Rows, columns, both ends, the middle, nothing; short and long, across chunks.
const OpCase last{"mean/last",
                  over({-1}, KeepDims::no, {{2, 3, 5}, {1}, {0, 7}, {33, 1025}, {3, 70001}})};
const OpCase first{"mean/first",
                   over({0}, KeepDims::yes, {{5, 3, 2}, {1}, {7, 0}, {1025, 131}, {9001, 3}})};
const OpCase outer{"mean/outer",
                   over({0, -1}, KeepDims::no, {{3, 4, 5}, {31, 2, 33}, {300, 2, 41}})};
const OpCase middle{"mean/middle", over({1}, KeepDims::no, {{3, 4, 5}, {2, 130, 129}})};
const OpCase none{"mean/none", over({}, KeepDims::no, {{3, 4}, {}})};
const OpCase all{
    "mean",
    {.shapes = {{{2, 3}}, {{}}, {{1025, 31}}, {{200000}}},
     .call = [](const Inputs& in) { return mean(in[0]); },
     .reference =
         [](const Inputs& in) {
           const auto x = in[0].elements<double>();
           return make_f64({}, [=](std::int64_t) { return mean_of(x); });
         },
     .terms = [](const Shapes& in) { return static_cast<double>(in[0].numel()); },
     .refused = {{[] {
                    mean(empty({2, 3}, DType::f64), {2});
                  },
                  "[mean] dim=2 is out of range: a tensor of 2 dimensions has -2 to 1"},
                 {[] {
                    mean(empty({2, 3}, DType::f64), {1, -1});
                  },
                  "[mean] dimension 1 is named twice"}}}};

TEST(Mean, OfNothing) {
  const auto y = mean(empty({3, 0}, DType::f32), {1});
  ASSERT_EQ(y.shape(), (Shape{3}));
  for (const float value : y.elements<float>()) EXPECT_TRUE(std::isnan(value));
}

}  // namespace
}  // namespace lookback::testing
