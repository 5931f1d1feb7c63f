// What the tests of attention kernels hold results against, and how closely.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "tests/kernels/attention_problem.h"

namespace lookback::kernels {

// Numbers of size one in sums of up to a few hundred terms whose weights sum to one.
template <class T>
double tolerance() {
  return 64 * epsilon_of(accumulator_of(dtype_of<T>)) + 2 * epsilon_of(dtype_of<T>);
}

inline void expect_near(const Numbers& got, const Numbers& expected, double bound,
                        const char* what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isinf(expected[i])) {
      ASSERT_EQ(got[i], expected[i]) << what << " " << i;
    } else {
      ASSERT_NEAR(got[i], expected[i], bound * (1 + std::abs(expected[i]))) << what << " " << i;
    }
  }
}

template <class T>
void expect_gradients(const typename AttentionProblem<T>::Run& run, const AttentionAnswer& answer,
                      const ProblemShape& shape, double bound) {
  const double sums = std::sqrt(static_cast<double>(shape.rows * shape.heads) + 1.0);
  for (std::size_t p = 0; p < answer.dq.size(); ++p) {
    expect_near(numbers_of(run.dq[p]), answer.dq[p], 4 * bound, "dq");
    expect_near(numbers_of(run.dk[p]), answer.dk[p], 4 * bound * sums, "dk");
  }
  expect_near(numbers_of(run.dv), answer.dv, 4 * bound * sums, "dv");
  expect_near(numbers_of(run.dscales), answer.dscales, 16 * bound * sums, "dscales");
}

struct ElementNames {
  template <class T>
  static std::string GetName(int) {
    return std::string(name_of(dtype_of<T>));
  }
};
using Elements = ::testing::Types<float, double, BFloat16>;

}  // namespace lookback::kernels
