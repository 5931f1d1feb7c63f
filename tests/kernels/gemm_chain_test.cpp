// Products in f32 are, output by output, the chain of float_panels.h: compared bit by bit with that
// chain in plain C++, on every instruction set that this machine has.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_pieces.h"
#include "runtime/check.h"
#include "tests/kernels/random_values.h"

namespace lookback::kernels {
namespace {

constexpr Layout layouts[] = {Layout::as_is, Layout::transposed};

// Without fused instructions each product is rounded before it is added.
float multiply_add(float x, float y, float sum) {
  return product_isa() == Isa::baseline ? x * y + sum : std::fma(x, y, sum);
}

// c[i, j] of the product.
template <class T>
float chain(const Gemm<T, float>& p, std::int64_t i, std::int64_t j, float before) {
  float c = p.into == Into::sum ? before : 0.0F;
  const auto depth = p.k == 0 ? 1 : piece_depth<float>(p.k);
  for (std::int64_t first = 0; first < p.k; first += depth) {
    float sum = 0;
    for (auto q = first; q < std::min(first + depth, p.k); ++q) {
      sum = multiply_add(static_cast<float>(*operand_at(p.a, p.a_stride, p.a_layout, i, q)),
                         static_cast<float>(*operand_at(p.b, p.b_stride, p.b_layout, q, j)), sum);
    }
    c = multiply_add(static_cast<float>(p.alpha), sum, c);
  }
  return c;
}

struct Sizes {
  std::int64_t m, n, k;
};

// Operands that begin at odd addresses and lie in rows longer than they need to be.
template <class T>
void expect_chain(const Sizes& sizes, Layout a_layout, Layout b_layout, Into into, double alpha) {
  const auto& [m, n, k] = sizes;
  const auto a_stride = (a_layout == Layout::as_is ? k : m) + 3;
  const auto b_stride = (b_layout == Layout::as_is ? n : k) + 5;
  const auto c_stride = n + 1;
  const auto a = random_values<T>(1 + (a_layout == Layout::as_is ? m : k) * a_stride, 1);
  const auto b = random_values<T>(1 + (b_layout == Layout::as_is ? k : n) * b_stride, 2);
  const auto before = random_values<float>(1 + m * c_stride, 3);
  auto c = before;
  const Gemm<T, float> product{.m = m,
                               .n = n,
                               .k = k,
                               .a = a.data() + 1,
                               .a_stride = a_stride,
                               .a_layout = a_layout,
                               .b = b.data() + 1,
                               .b_stride = b_stride,
                               .b_layout = b_layout,
                               .c = c.data() + 1,
                               .c_stride = c_stride,
                               .into = into,
                               .alpha = alpha};
  gemm(product);
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < c_stride; ++j) {
      const auto at = static_cast<std::size_t>(1 + i * c_stride + j);
      const float expected = j < n ? chain(product, i, j, before[at]) : before[at];
      ASSERT_EQ(std::bit_cast<std::uint32_t>(c[at]), std::bit_cast<std::uint32_t>(expected))
          << fmt::format("{}x{}x{}, layouts {} {}, into {}, at {},{}: {} and not {}", m, n, k,
                         static_cast<int>(a_layout), static_cast<int>(b_layout),
                         static_cast<int>(into), i, j, c[at], expected);
    }
  }
}

template <class Body>
void on_every_instruction_set(const Body& body) {
  for (const auto isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (!supports(isa)) continue;
    SCOPED_TRACE(std::string(name_of(isa)));
    const HeldIsa held(isa);
    body();
    if (::testing::Test::HasFatalFailure()) return;
  }
}

template <class T>
class GemmChain : public ::testing::Test {};
using Operands = ::testing::Types<float, BFloat16>;
TYPED_TEST_SUITE(GemmChain, Operands);

// Around the panels of every instruction set: 6 and 14 rows, 8, 16 and 32 columns.
TYPED_TEST(GemmChain, HoldsAtTheEdgesOfPanels) {
  on_every_instruction_set([] {
    for (const std::int64_t m : {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 19, 28, 29, 43}) {
      for (const std::int64_t n : {1, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 70}) {
        for (const std::int64_t k : {1, 2, 3, 4, 5, 8, 9, 70}) {
          for (const auto a_layout : layouts) {
            for (const auto b_layout : layouts) {
              expect_chain<TypeParam>({m, n, k}, a_layout, b_layout,
                                      (m + n + k) % 2 == 0 ? Into::sum : Into::overwrite, -0.3);
              if (::testing::Test::HasFatalFailure()) return;
            }
          }
        }
      }
    }
  });
}

// Several blocks of k, blocks of rows and of columns, tiles that share packed operands, results
// that are long and narrow, sums that threads share.
TYPED_TEST(GemmChain, HoldsInSeveralBlocksAndTiles) {
  on_every_instruction_set([] {
    for (const Sizes& sizes :
         {Sizes{259, 530, 300}, Sizes{3, 1100, 257}, Sizes{520, 70, 513}, Sizes{3200, 30, 40},
          Sizes{17, 4200, 33}, Sizes{9, 11, 5000}, Sizes{70, 130, 4500}, Sizes{3, 700, 1100}}) {
      for (const auto a_layout : layouts) {
        for (const auto b_layout : layouts) {
          expect_chain<TypeParam>(sizes, a_layout, b_layout, Into::sum, 1.0);
          if (::testing::Test::HasFatalFailure()) return;
        }
      }
    }
  });
}

}  // namespace
}  // namespace lookback::kernels
