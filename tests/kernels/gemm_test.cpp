#include "kernels/cpu/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "runtime/check.h"
#include "runtime/parallel.h"
#include "tests/kernels/random_values.h"

namespace lookback::kernels {
namespace {

constexpr Layout layouts[] = {Layout::as_is, Layout::transposed};

template <class T>
double at(const std::vector<T>& values, std::int64_t index) {
  return static_cast<double>(values[static_cast<std::size_t>(index)]);
}

// One product with its operands, in rows longer than they need to be.
template <class T, class Result>
struct Problem {
  Gemm<T, Result> product;
  std::vector<T> a, b;
  std::vector<Result> before, c;

  Problem(std::int64_t m, std::int64_t n, std::int64_t k, Layout a_layout, Layout b_layout,
          Into into, double alpha, std::int64_t spare) {
    const bool a_as_is = a_layout == Layout::as_is;
    const bool b_as_is = b_layout == Layout::as_is;
    const auto a_stride = (a_as_is ? k : m) + spare;
    const auto b_stride = (b_as_is ? n : k) + spare;
    a = random_values<T>((a_as_is ? m : k) * a_stride, 1);
    b = random_values<T>((b_as_is ? k : n) * b_stride, 2);
    before = random_values<Result>(m * (n + spare), 3);
    if (into == Into::overwrite) {  // what was there must not matter, not even NaN
      for (std::int64_t i = 0; i < m; ++i) {
        for (std::int64_t j = 0; j < n; ++j) {
          before[static_cast<std::size_t>(i * (n + spare) + j)] = static_cast<Result>(NAN);
        }
      }
    }
    c = before;
    product = {.m = m,
               .n = n,
               .k = k,
               .a = a.data(),
               .a_stride = a_stride,
               .a_layout = a_layout,
               .b = b.data(),
               .b_stride = b_stride,
               .b_layout = b_layout,
               .c = c.data(),
               .c_stride = n + spare,
               .into = into,
               .alpha = alpha};
  }

  double exact(std::int64_t i, std::int64_t j) const {
    long double sum = 0;  // so that the reference's own rounding does not count
    for (std::int64_t p = 0; p < product.k; ++p) {
      const auto in_a =
          product.a_layout == Layout::as_is ? i * product.a_stride + p : p * product.a_stride + i;
      const auto in_b =
          product.b_layout == Layout::as_is ? p * product.b_stride + j : j * product.b_stride + p;
      sum += static_cast<long double>(at(a, in_a)) * at(b, in_b);
    }
    const double old = product.into == Into::sum ? at(before, i * product.c_stride + j) : 0.0;
    return static_cast<double>(old + product.alpha * sum);
  }

  // Elements are uniform in [-1, 1], so that a sum of i products is of the order sqrt(i) / 3. Each
  // addition rounds by at most half an epsilon of the sum so far, each product by half an epsilon
  // of itself, with independent signs. In whatever order the sums are taken, the longest chain is
  // the worst: sqrt(sum over i <= k of i / 9) = k / (3 sqrt(2)). Eight standard deviations, as no
  // instruction set's order may miss it by chance.
  double tolerance() const {
    const double terms = static_cast<double>(product.k);
    const double scale = std::max(1.0, std::abs(product.alpha));
    const double sums = scale * (terms / (3.0 * std::sqrt(2.0)) + std::sqrt(terms) / 3.0);
    const double result = 1.0 + scale * std::sqrt(terms) / 3.0;
    const double of_sum = epsilon_of(accumulator_of(dtype_of<T>)) / 2;
    const double of_result = epsilon_of(dtype_of<Result>) / 2;
    return 8.0 * (of_sum * (sums + result) + of_result * result);
  }

  void expect_right() const {
    for (std::int64_t i = 0; i < product.m; ++i) {
      for (std::int64_t j = 0; j < product.c_stride; ++j) {
        const auto index = i * product.c_stride + j;
        if (j >= product.n) {
          ASSERT_EQ(at(c, index), at(before, index)) << "wrote beyond the row, " << i << "," << j;
        } else {
          ASSERT_NEAR(at(c, index), exact(i, j), tolerance()) << i << "," << j;
        }
      }
    }
  }
};

template <class T, class Result>
void check_sizes(const std::vector<std::int64_t>& sizes) {
  for (const auto m : sizes) {
    for (const auto n : sizes) {
      for (const auto k : sizes) {
        for (const auto a_layout : layouts) {
          for (const auto b_layout : layouts) {
            for (const auto into : {Into::overwrite, Into::sum}) {
              SCOPED_TRACE(fmt::format("{}x{}x{} layouts {} {} into {}", m, n, k,
                                       static_cast<int>(a_layout), static_cast<int>(b_layout),
                                       static_cast<int>(into)));
              Problem<T, Result> problem(m, n, k, a_layout, b_layout, into, -0.5, 3);
              gemm(problem.product);
              problem.expect_right();
              if (::testing::Test::HasFatalFailure()) return;
            }
          }
        }
      }
    }
  }
}

TEST(Gemm, AwkwardSizesF32) { check_sizes<float, float>({0, 1, 2, 31, 33, 130}); }
TEST(Gemm, AwkwardSizesF64) { check_sizes<double, double>({0, 1, 2, 31, 33, 130}); }
TEST(Gemm, AwkwardSizesBf16IntoF32) { check_sizes<BFloat16, float>({0, 1, 31, 130}); }
TEST(Gemm, AwkwardSizesBf16) { check_sizes<BFloat16, BFloat16>({0, 1, 31, 130}); }

// One dimension at a time beyond a tile, a chunk of k, or a piece of bf16 scratch.
template <class T, class Result>
void check_long() {
  const std::int64_t long_sizes[][3] = {{1025, 3, 33},   {3, 1025, 33}, {33, 31, 1025},
                                        {1, 1025, 1025}, {5, 7, 9001},  {300, 520, 65}};
  for (const auto& [m, n, k] : long_sizes) {
    for (const auto a_layout : layouts) {
      for (const auto b_layout : layouts) {
        SCOPED_TRACE(fmt::format("{}x{}x{}", m, n, k));
        Problem<T, Result> problem(m, n, k, a_layout, b_layout, Into::sum, 1.0, 1);
        gemm(problem.product);
        problem.expect_right();
      }
    }
  }
}
TEST(Gemm, LongSizesF32) { check_long<float, float>(); }
TEST(Gemm, LongSizesF64) { check_long<double, double>(); }
TEST(Gemm, LongSizesBf16IntoF32) { check_long<BFloat16, float>(); }
TEST(Gemm, LongSizesBf16) { check_long<BFloat16, BFloat16>(); }

// Tiles as long as the result is narrow, whose sums fill their scratch to the end.
TEST(Gemm, LongAndNarrowResultInBf16) {
  Problem<BFloat16, BFloat16> problem(1008, 16200, 2, Layout::as_is, Layout::transposed,
                                      Into::overwrite, 1.0, 0);
  gemm(problem.product);
  problem.expect_right();
}

template <class T, class Result>
std::vector<Result> run_with_threads(int threads, std::int64_t m, std::int64_t n, std::int64_t k,
                                     Layout a_layout, Layout b_layout) {
  const int before = num_threads();
  set_num_threads(threads);
  Problem<T, Result> problem(m, n, k, a_layout, b_layout, Into::sum, 1.0, 0);
  gemm(problem.product);
  set_num_threads(before);
  return problem.c;
}

template <class T, class Result>
void check_same_bits() {
  const std::int64_t sizes[][3] = {{1, 2048, 700}, {257, 513, 300}, {64, 48, 9000}, {1025, 33, 65}};
  for (const auto& [m, n, k] : sizes) {
    for (const auto a_layout : layouts) {
      for (const auto b_layout : layouts) {
        const auto one = run_with_threads<T, Result>(1, m, n, k, a_layout, b_layout);
        const auto two = run_with_threads<T, Result>(2, m, n, k, a_layout, b_layout);
        const auto five = run_with_threads<T, Result>(5, m, n, k, a_layout, b_layout);
        for (std::size_t i = 0; i < one.size(); ++i) {
          ASSERT_EQ(static_cast<double>(one[i]), static_cast<double>(two[i]))
              << m << "x" << n << "x" << k;
          ASSERT_EQ(static_cast<double>(one[i]), static_cast<double>(five[i]));
        }
      }
    }
  }
}
TEST(Gemm, SameBitsAtAnyNumberOfThreadsF32) { check_same_bits<float, float>(); }
TEST(Gemm, SameBitsAtAnyNumberOfThreadsF64) { check_same_bits<double, double>(); }
TEST(Gemm, SameBitsAtAnyNumberOfThreadsBf16) { check_same_bits<BFloat16, float>(); }

TEST(Gemm, BatchGivesEachItsOwnResult) {
  constexpr std::int64_t m = 65;
  constexpr std::int64_t n = 33;
  constexpr std::int64_t k = 17;
  constexpr std::int64_t count = 5;
  const auto a = random_values<double>(count * m * k, 1);
  const auto b = random_values<double>(k * n, 2);
  std::vector<double> c(count * m * n, NAN);
  std::vector<ProductOffsets> offsets;
  for (std::int64_t i = 0; i < count; ++i)
    offsets.push_back({.a = i * m * k, .b = 0, .c = i * m * n});
  gemm_batch(Gemm<double>{.m = m,
                          .n = n,
                          .k = k,
                          .a = a.data(),
                          .a_stride = k,
                          .b = b.data(),
                          .b_stride = n,
                          .c = c.data(),
                          .c_stride = n},
             offsets);
  std::vector<double> whole(count * m * n, NAN);
  gemm(Gemm<double>{.m = count * m,
                    .n = n,
                    .k = k,
                    .a = a.data(),
                    .a_stride = k,
                    .b = b.data(),
                    .b_stride = n,
                    .c = whole.data(),
                    .c_stride = n});
  for (std::size_t i = 0; i < c.size(); ++i) ASSERT_NEAR(c[i], whole[i], 1e-14);
}

TEST(Gemm, BatchAddsTheTermsOfOneResult) {
  constexpr std::int64_t m = 40;
  constexpr std::int64_t n = 30;
  constexpr std::int64_t k = 12;
  constexpr std::int64_t terms = 3;
  constexpr std::int64_t results = 2;
  const auto a = random_values<double>(results * terms * k * m, 1);
  const auto b = random_values<double>(results * terms * k * n, 2);
  std::vector<double> c(results * m * n, NAN);
  std::vector<double> stacked(results * m * n, NAN);
  std::vector<ProductOffsets> offsets;
  for (std::int64_t i = 0; i < results * terms; ++i) {
    offsets.push_back({.a = i * k * m, .b = i * k * n, .c = i / terms * m * n});
  }
  Gemm<double> product{.m = m,
                       .n = n,
                       .k = k,
                       .a = a.data(),
                       .a_stride = m,
                       .a_layout = Layout::transposed,
                       .b = b.data(),
                       .b_stride = n,
                       .c = c.data(),
                       .c_stride = n};
  gemm_batch(product, offsets, terms);
  product.k = terms * k;
  product.c = stacked.data();
  gemm_batch(product, std::vector<ProductOffsets>{{}, {terms * k * m, terms * k * n, m * n}});
  for (std::size_t i = 0; i < c.size(); ++i) ASSERT_NEAR(c[i], stacked[i], 1e-14);
}

TEST(Gemm, EveryInstructionSetOfThisMachineAgrees) {
  for (const auto isa : every_isa) {
    if (!supports(isa)) {
      EXPECT_THROW(HeldIsa{isa}, Error);
      continue;
    }
    SCOPED_TRACE(std::string(name_of(isa)));
    const HeldIsa held(isa);
    for (const auto a_layout : layouts) {
      for (const auto b_layout : layouts) {
        Problem<float, float> single(67, 49, 130, a_layout, b_layout, Into::sum, 2.0, 1);
        gemm(single.product);
        single.expect_right();
        Problem<double, double> twice(67, 49, 130, a_layout, b_layout, Into::overwrite, 1.0, 1);
        gemm(twice.product);
        twice.expect_right();
        Problem<BFloat16, float> rounded(67, 49, 131, a_layout, b_layout, Into::sum, 2.0, 1);
        gemm(rounded.product);
        rounded.expect_right();
      }
    }
  }
}

TEST(Isa, TheDescriptionNamesTheSetInUse) {
  EXPECT_TRUE(isa_description().starts_with(name_of(product_isa())));
  const char* requested = std::getenv("LOOKBACK_ISA");
  if (requested != nullptr && *requested != '\0') {
    EXPECT_EQ(name_of(product_isa()), requested);
  }
}

}  // namespace
}  // namespace lookback::kernels
