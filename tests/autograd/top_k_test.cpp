#include "autograd/ops/top_k.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/transpose.h"
#include "kernels/taint/cells.h"
#include "runtime/parallel.h"
#include "tests/autograd/op_case.h"
#include "tests/gpu.h"

namespace lookback::testing {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
using Integers = std::vector<double>;

Tensor of(const std::vector<double>& values, const Shape& shape) {
  return from_values(values, shape);
}

// By sorting all places, NaN as the largest.
std::vector<double> sorted_places(const Tensor& x, std::int64_t k) {
  const auto values = to_doubles(x);
  const auto n = static_cast<std::size_t>(x.size(-1));
  std::vector<double> result;
  for (std::size_t begin = 0; begin < values.size(); begin += n) {
    std::vector<std::size_t> places(n);
    std::iota(places.begin(), places.end(), 0U);
    const auto key = [&](std::size_t i) {
      const double value = values[begin + i];
      return std::isnan(value) ? std::pair(1, 0.0) : std::pair(0, value);
    };
    std::ranges::stable_sort(places, [&](auto i, auto j) { return key(i) > key(j); });
    for (std::size_t j = 0; j < static_cast<std::size_t>(k); ++j) {
      result.push_back(static_cast<double>(places[j]));
    }
  }
  return result;
}

// Few different numbers, so that there are ties, and NaN and infinities among them.
Tensor with_ties(const Shape& shape, DType dtype) {
  std::mt19937_64 random(static_cast<std::uint64_t>(shape.numel()) + 5);
  const std::vector<double> numbers{nan, -INFINITY, INFINITY, 0.0, -0.0, 1, 1, 2, -3, 1e30, -1e30};
  return converted(make_f64(shape, [&](auto) { return numbers[random() % numbers.size()]; }),
                   dtype);
}

// Of the numbers that are not chosen, 0 is left.
const OpCase top_k_case{"top_k",
                        {.shapes = {{{2, 3, 5}}, {{0, 7}}, {{1, 3}}, {{33, 31}}},
                         .call =
                             [](const Inputs& in) {
                               const auto chosen = [&] {
                                 const NoGrad no_grad;
                                 return top_k(in[0].detach(), 3).chosen;
                               }();
                               return multiply(in[0], chosen);
                             },
                         .reference =
                             [](const Inputs& in) {
                               const auto places = sorted_places(in[0], 3);
                               const auto* x = in[0].data<double>();
                               const auto n = in[0].size(-1);
                               std::vector<double> left(static_cast<std::size_t>(in[0].numel()), 0);
                               for (std::size_t i = 0; i < places.size(); ++i) {
                                 const auto at = static_cast<std::int64_t>(i) / 3 * n +
                                                 static_cast<std::int64_t>(places[i]);
                                 left[static_cast<std::size_t>(at)] = x[at];
                               }
                               return from_values(left, in[0].shape());
                             },
                         .low = -2,
                         .high = 2,
                         .large = 100}};

void expect_right(const Tensor& x, std::int64_t k) {
  const auto [index, chosen] = top_k(x, k);
  EXPECT_EQ(index.dtype(), DType::i64);
  EXPECT_EQ(chosen.dtype(), x.dtype());
  EXPECT_EQ(chosen.shape(), x.shape());
  const auto places = sorted_places(x, k);
  EXPECT_EQ(to_doubles(index), places);
  std::vector<double> marks(static_cast<std::size_t>(x.numel()), 0.0);
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto row = i / static_cast<std::size_t>(k);
    marks[row * static_cast<std::size_t>(x.size(-1)) + static_cast<std::size_t>(places[i])] = 1;
  }
  EXPECT_EQ(to_doubles(chosen), marks);
}

void expect_right_at_all_sizes(Device device) {
  for (const auto dtype : {DType::f64, DType::f32, DType::bf16}) {
    for (const std::int64_t n : {1, 2, 31, 33, 1025}) {
      for (const auto k : {std::int64_t{1}, (n + 1) / 2, n}) {
        for (const Shape& shape : {Shape{n}, Shape{0, n}, Shape{2, 3, n}, Shape{200, n}}) {
          if (shape.numel() > 40000) continue;
          const auto x = to_device(with_ties(shape, dtype), device);
          SCOPED_TRACE(to_string(shape) + " " + std::to_string(k));
          expect_right(x, k);
          expect_right(scattered(x), k);
        }
      }
    }
  }
}

TEST(TopK, IsWhatSortingAllPlacesGives) { expect_right_at_all_sizes(cpu_device); }

TEST(TopKOnGpu, IsWhatSortingAllPlacesGives) {
  if (const auto reason = why_no_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  expect_right_at_all_sizes(gpu());
}

TEST(TopK, OfEqualOnesTheLowerPlaceComesFirst) {
  const auto [index, chosen] = top_k(of({2, 5, 5, 1, 5, 2}, {6}), 4);
  EXPECT_EQ(to_doubles(index), (Integers{1, 2, 4, 0}));
  EXPECT_EQ(to_doubles(chosen), (Integers{1, 1, 1, 0, 1, 0}));
  EXPECT_EQ(to_doubles(top_k(of({-0.0, 0.0}, {2}), 1).index), Integers{0});
}

TEST(TopK, NanIsLargest) {
  EXPECT_EQ(to_doubles(top_k(of({1, nan, INFINITY, nan}, {4}), 3).index), (Integers{1, 3, 2}));
}

TEST(TopK, IsTheSameAtAnyNumberOfThreads) {
  const int before = num_threads();
  const auto x = with_ties({3000, 13}, DType::f32);
  std::vector<std::vector<double>> all;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    all.push_back(to_doubles(top_k(x, 4).index));
  }
  set_num_threads(before);
  EXPECT_EQ(all[0], all[1]);
  EXPECT_EQ(all[0], all[2]);
}

TEST(TopK, RefusesBadInputs) {
  const auto message = [](const auto& call) -> std::string {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message([] {
              top_k(of({1, 2, 3}, {3}), 4);
            }),
            "[top_k] k=4 must be from 1 to 3: x is (3,)");
  EXPECT_EQ(message([] {
              top_k(of({1, 2, 3}, {3}), 0);
            }),
            "[top_k] k=0 must be from 1 to 3: x is (3,)");
  EXPECT_EQ(message([] { top_k(empty({3}, DType::i64), 1); }),
            "[top_k] x int64 (3,) must be floating, with rows to choose from");
  const auto x = of({1, 2}, {2});
  set_requires_grad(x);
  EXPECT_NE(message([&] { top_k(x, 1); }), "");
}

// A choice among the entries of one row depends on all of that row and on no other.
TEST(TopK, OnTheTaintDeviceARowStaysByItself) {
  using kernels::taint::Cells;
  const DefaultDevice guard(taint_device);
  const auto x = empty({3, 4}, DType::f64);
  for (std::int64_t i = 0; i < 12; ++i) {
    Cells(kernels::Out(x)).depend(i, std::uint64_t{1} << i);
  }
  const auto [index, chosen] = top_k(x, 2);
  const Cells indices(index.view()), marks(chosen.view());
  for (std::int64_t i = 0; i < 6; ++i) EXPECT_EQ(indices.set(i), std::uint64_t{15} << i / 2 * 4);
  for (std::int64_t i = 0; i < 12; ++i) EXPECT_EQ(marks.set(i), std::uint64_t{15} << i / 4 * 4);
}

}  // namespace
}  // namespace lookback::testing
