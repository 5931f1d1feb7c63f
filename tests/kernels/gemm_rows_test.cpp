// What a row of a product is does not depend on where the row stands, nor on how many stand beside
// it: compared bit by bit, for every form that a product has.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_pieces.h"
#include "kernels/cpu/products/float_panels.h"
#include "runtime/check.h"
#include "tests/kernels/random_values.h"

namespace lookback::kernels {
namespace {

// The ways in which a product is asked for. In a batch and in a sum, two products are added up.
enum class Form { gemm, batch, sum, tile };
constexpr Form forms[] = {Form::gemm, Form::batch, Form::sum, Form::tile};
constexpr Layout layouts[] = {Layout::as_is, Layout::transposed};

struct Kind {
  Form form;
  Layout a_layout, b_layout;
  Into into;
  double alpha;
  std::int64_t n, k;
};

// `most_rows` rows of a and c, from which products take some.
template <class T, class Result>
class Rows {
 public:
  Rows(const Kind& kind, std::int64_t rows)
      : kind_(kind),
        rows_(rows),
        a_(random_values<T>(2 * rows_ * kind_.k, 1)),
        b_(random_values<T>(2 * kind_.k * kind_.n, 2)),
        row_(random_values<Result>(kind_.n, 3)),
        before_(random_values<Result>(rows_ * kind_.n, 4)) {}

  // Rows first .. first + count of the result, of a product that is given these rows alone.
  std::vector<Result> result(std::int64_t first, std::int64_t count) const {
    std::vector<Result> c(before_.begin() + first * kind_.n,
                          before_.begin() + (first + count) * kind_.n);
    const bool as_is = kind_.a_layout == Layout::as_is;
    // Transposed, the rows lie beside each other: those of another product are copied together, as
    // its stride is part of what must not matter.
    const auto lying = as_is ? a_ : columns_of_a(first, count);
    Gemm<T, Result> p{.m = count,
                      .n = kind_.n,
                      .k = kind_.k,
                      .a = lying.data() + (as_is ? first * kind_.k : 0),
                      .a_stride = as_is ? kind_.k : count,
                      .a_layout = kind_.a_layout,
                      .b = b_.data(),
                      .b_stride = kind_.b_layout == Layout::as_is ? kind_.n : kind_.k,
                      .b_layout = kind_.b_layout,
                      .c = c.data(),
                      .c_stride = kind_.n,
                      .into = kind_.into,
                      .alpha = kind_.alpha};
    const auto second_a = as_is ? rows_ * kind_.k : count * kind_.k;
    const auto second_b = kind_.k * kind_.n;
    switch (kind_.form) {
      case Form::gemm: gemm(p); break;
      case Form::tile: tile_product(p); break;
      case Form::batch:
        gemm_batch(p, std::vector<ProductOffsets>{{}, {.a = second_a, .b = second_b}}, 2);
        break;
      case Form::sum: {
        auto second = p;
        second.a += second_a;
        second.b += second_b;
        gemm_sum<T, Result>(std::vector{p, second}, row_.data());
        break;
      }
    }
    return c;
  }

 private:
  // Both a's rows first .. first + count, each [k, count].
  std::vector<T> columns_of_a(std::int64_t first, std::int64_t count) const {
    std::vector<T> columns;
    for (std::int64_t which = 0; which < 2; ++which) {
      for (std::int64_t p = 0; p < kind_.k; ++p) {
        for (std::int64_t i = 0; i < count; ++i) {
          columns.push_back(
              a_[static_cast<std::size_t>((which * rows_ + first + i) * kind_.k + p)]);
        }
      }
    }
    return columns;
  }

  Kind kind_;
  std::int64_t rows_;
  std::vector<T> a_, b_;
  std::vector<Result> row_, before_;
};

template <class Result>
bool same_bits(const std::vector<Result>& part, const std::vector<Result>& whole,
               std::int64_t offset) {
  return std::memcmp(part.data(), whole.data() + offset, part.size() * sizeof(Result)) == 0;
}

struct Run {
  std::int64_t first, count;
};

template <class T, class Result>
void expect_rows_alike(const Kind& kind, std::int64_t most_rows, const std::vector<Run>& runs) {
  SCOPED_TRACE(fmt::format("form {}, layouts {} {}, into {}, alpha {}, n {}, k {}",
                           static_cast<int>(kind.form), static_cast<int>(kind.a_layout),
                           static_cast<int>(kind.b_layout), static_cast<int>(kind.into), kind.alpha,
                           kind.n, kind.k));
  const Rows<T, Result> rows(kind, most_rows);
  const auto whole = rows.result(0, most_rows);
  for (const auto& [first, count] : runs) {
    EXPECT_TRUE(same_bits(rows.result(first, count), whole, first * kind.n))
        << "rows from " << first << ", " << count << " of them, beside " << most_rows;
  }
}

template <class T, class Result>
void check_forms(const std::vector<std::int64_t>& widths, const std::vector<std::int64_t>& depths,
                 std::int64_t most_rows, const std::vector<Run>& runs) {
  for (const auto form : forms) {
    for (const auto a_layout : layouts) {
      for (const auto b_layout : layouts) {
        for (const auto into : {Into::overwrite, Into::sum}) {
          for (const double alpha : {1.0, -0.3}) {
            for (const auto n : widths) {
              for (const auto k : depths) {
                expect_rows_alike<T, Result>({form, a_layout, b_layout, into, alpha, n, k},
                                             most_rows, runs);
                if (::testing::Test::HasFailure()) return;
              }
            }
          }
        }
      }
    }
  }
}

// Rows alone and short of what a register kernel takes at once, at the beginning, in the middle and
// at the end of 64.
const std::vector<Run> short_runs{{0, 1}, {1, 1}, {63, 1}, {0, 2},  {5, 2},  {0, 3},
                                  {7, 3}, {0, 5}, {9, 5},  {0, 17}, {40, 17}};

template <class T>
class GemmRows : public ::testing::Test {};
template <class Operand, class Output>
struct Types {
  using T = Operand;
  using Result = Output;
};
using AllTypes = ::testing::Types<Types<float, float>, Types<double, double>,
                                  Types<BFloat16, float>, Types<BFloat16, BFloat16>>;
TYPED_TEST_SUITE(GemmRows, AllTypes);

// Widths around the vectors of every instruction set, depths around Eigen's unrolling.
TYPED_TEST(GemmRows, AreTheSameBesideAnyNumberOfOthers) {
  check_forms<typename TypeParam::T, typename TypeParam::Result>({1, 13, 67}, {0, 1, 33}, 64,
                                                                 short_runs);
}

// Several tiles, and pieces of k.
TYPED_TEST(GemmRows, AreTheSameInSeveralTilesAndPieces) {
  check_forms<typename TypeParam::T, typename TypeParam::Result>({601}, {519}, 64,
                                                                 {{0, 1}, {3, 2}, {17, 17}});
}

// Outputs so small that k is shared out among threads, and outputs that are not.
TYPED_TEST(GemmRows, AreTheSameWhereThreadsShareK) {
  check_forms<typename TypeParam::T, typename TypeParam::Result>({7}, {4500}, 300,
                                                                 {{0, 1}, {200, 5}, {233, 67}});
}

// More rows than a tile has, cut elsewhere.
TYPED_TEST(GemmRows, AreTheSameBeyondATile) {
  check_forms<typename TypeParam::T, typename TypeParam::Result>(
      {50}, {40}, 1030, {{0, 1}, {513, 17}, {511, 2}, {1029, 1}});
}

// What no tile could begin at would silently give up what the tests above compare.
TEST(GemmRows, TilesBeginWherePanelsDo) {
  for (const auto isa : every_isa) {
    if (!supports(isa)) continue;
    SCOPED_TRACE(std::string(name_of(isa)));
    const HeldIsa held(isa);
    const auto panel = float_panel_sizes();
    EXPECT_EQ(tile_steps<float>().rows % panel.rows, 0);
    EXPECT_EQ(tile_steps<float>().columns % panel.columns, 0);
    EXPECT_EQ(tile_steps<double>().columns % eigen_kernels_of(isa).column_step, 0);
  }
}

}  // namespace
}  // namespace lookback::kernels
