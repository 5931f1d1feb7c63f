// The products of warpgroups are counted on the emulated GPU: how many tiles the streaming kernels
// take under a pattern, against a count by the words of the rule.
#include <gtest/gtest.h>

#include "kernels/cuda/device/warpgroup.h"
#include "tests/gpu.h"
#include "tests/kernels/attention_problem.h"

namespace lookback::kernels {
namespace {

using device::emulated::WithWarpgroups;

constexpr std::int64_t tile = 64;

// Pairs of a block of `rows` queries and a tile of keys, of all heads, that hold a pair that is
// shown.
std::uint64_t tiles_seen(const ProblemShape& shape, const CausalMask& mask, std::int64_t rows) {
  std::uint64_t count = 0;
  for (std::int64_t head = 0; head < shape.heads; ++head) {
    for (std::int64_t block = 0; block < shape.rows; block += rows) {
      for (std::int64_t first = 0; first < shape.keys; first += tile) {
        bool any = false;
        for (auto row = block; row < std::min(block + rows, shape.rows); ++row) {
          for (auto key = first; key < std::min(first + tile, shape.keys); ++key) {
            any = any || visible_by_words(shape, mask, 0, head, row, key);
          }
        }
        count += any ? 1 : 0;
      }
    }
  }
  return count;
}

TEST(EmulatedPatternWork, IsThatOfTheTilesThatHoldKeysSeen) {
  const WithWarpgroups there(WithWarpgroups::Are::there);
  for (const auto& rule :
       {ProblemShape{.window = 16, .soft_cap = 2}, ProblemShape{.window = 16, .dilations = {1, 3}},
        ProblemShape{.window = 16, .global_keys = {0, 1}},
        ProblemShape{.window = 1, .random_blocks = 1, .block_size = 16},
        ProblemShape{.soft_cap = 2, .slopes = true}}) {
    auto shape = rule;
    shape.rows = shape.keys = 600;
    shape.heads = 2;
    shape.key_heads = 1;
    shape.widths = {64};
    shape.value_width = 64;
    shape.gap = 8;
    SCOPED_TRACE(shape.name());
    const AttentionProblem<BFloat16> problem(shape, 1, lookback::testing::gpu());
    AttentionProblem<BFloat16>::Run run;
    const auto start = device::emulated::products_so_far();
    problem.forward(run);
    const auto forward = device::emulated::products_so_far();
    problem.backward(run);
    const auto backward = device::emulated::products_so_far();
    // Four steps of 16 numbers each, by a warp each: S and P V by 8 warps; by 4 warps dP, S and
    // dS K, then S and P^T dy, then S, dP and dS^T q.
    constexpr unsigned steps = 4;
    EXPECT_EQ(forward - start, steps * 2 * 8 * tiles_seen(shape, problem.mask, 128));
    EXPECT_EQ(backward - forward, steps * (3 + 2 + 3) * 4 * tiles_seen(shape, problem.mask, 64));
  }
}

}  // namespace
}  // namespace lookback::kernels
