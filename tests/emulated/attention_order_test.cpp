// The attention kernels with their threads in other orders: a missing barrier would change bits.
#include <gtest/gtest.h>

#include "kernels/cuda/device/warpgroup.h"
#include "tests/gpu.h"
#include "tests/kernels/attention_problem.h"

namespace lookback::kernels {
namespace {

using device::emulated::Order;
using device::emulated::RunInOrder;
using device::emulated::WithWarpgroups;

template <class T>
std::vector<Numbers> results(const ProblemShape& shape, Order order) {
  const RunInOrder turns(order);
  const AttentionProblem<T> problem(shape, 1, lookback::testing::gpu());
  typename AttentionProblem<T>::Run run;
  problem.forward(run);
  problem.backward(run);
  std::vector<Numbers> all{numbers_of(run.y), numbers_of(run.log_sum_exp), numbers_of(run.dv),
                           numbers_of(run.dscales)};
  for (std::size_t p = 0; p < run.dq.size(); ++p) {
    all.push_back(numbers_of(run.dq[p]));
    all.push_back(numbers_of(run.dk[p]));
  }
  return all;
}

template <class T>
void expect_one_answer() {
  for (const auto& shape : {ProblemShape{.rows = 100,
                           .keys = 170,
                           .heads = 2,
                           .key_heads = 1,
                           .widths = {32},
                           .value_width = 32,
                           .offset = 70,
                           .gap = 8},
                            ProblemShape{.rows = 70,
                            .keys = 140,
                            .widths = {16, 40, 8},
                            .value_width = 24,
                            .offset = 70,
                            .window = 90,
                            .gap = 8},
                            ProblemShape{.rows = 2,
                            .keys = 300,
                            .heads = 6,
                            .key_heads = 2,
                            .widths = {64},
                            .value_width = 64,
                            .offset = 298,
                            .gap = 8},
                            ProblemShape{.rows = 130,
                            .keys = 130,
                            .heads = 2,
                            .key_heads = 1,
                            .widths = {16, 40},
                            .value_width = 24,
                            .window = 16,
                            .gap = 8,
                            .soft_cap = 2,
                            .slopes = true,
                            .dilations = {1, 3},
                            .global_keys = {0, 70},
                            .random_blocks = 1,
                            .block_size = 8},
                            ProblemShape{.rows = 100,
                            .keys = 170,
                            .widths = {32},
                            .value_width = 32,
                            .offset = 70,
                            .window = 16,
                            .gap = 8,
                            .global_keys = {3}},
                            ProblemShape{.rows = 2,
                            .keys = 300,
                            .heads = 6,
                            .key_heads = 2,
                            .widths = {64},
                            .value_width = 64,
                            .offset = 298,
                            .window = 40,
                            .gap = 8,
                            .soft_cap = 2,
                            .slopes = true,
                            .global_keys = {0, 100}},
                            ProblemShape{.rows = 40, .keys = 40, .widths = {5}}}) {
    const auto expected = results<T>(shape, Order::forwards);
    EXPECT_EQ(results<T>(shape, Order::backwards), expected) << shape.name();
    EXPECT_EQ(results<T>(shape, Order::shuffled), expected) << shape.name();
  }
}

TEST(EmulatedAttention, ThreadsInAnyOrderGiveTheSameBitsInF32) { expect_one_answer<float>(); }
TEST(EmulatedAttention, ThreadsInAnyOrderGiveTheSameBitsInBf16) { expect_one_answer<BFloat16>(); }
// All three kernels go the way that the GPU has: the products of a run are counted.
TEST(EmulatedAttention, GoesByWarpgroupsWhereTheGpuHasThem) {
  const ProblemShape shape{.rows = 65, .keys = 65, .widths = {64}, .value_width = 64, .gap = 8};
  const auto products = [&](WithWarpgroups::Are are) {
    const WithWarpgroups gpu(are);
    const auto before = device::emulated::products_so_far();
    results<BFloat16>(shape, Order::forwards);
    return device::emulated::products_so_far() - before;
  };
  EXPECT_EQ(products(WithWarpgroups::Are::missing), 0U);
  // Four steps of 16 each: S and P V, by 8 warps for 2 tiles of 64 keys; dP, S and dS K, by 4 warps
  // for one tile and for two; S, dP, P^T dy and dS^T q, by 4 warps for two tiles of queries and
  // one.
  EXPECT_EQ(products(WithWarpgroups::Are::there), 4U * (2 * 8 * 2 + 3 * 4 * 3 + 4 * 4 * 3));
}
TEST(EmulatedAttention, ThreadsInAnyOrderGiveTheSameBitsByWarpgroups) {
  const WithWarpgroups there(WithWarpgroups::Are::there);
  expect_one_answer<BFloat16>();
}

}  // namespace
}  // namespace lookback::kernels
