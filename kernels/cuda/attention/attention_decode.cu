#include "kernels/cuda/attention/attention_decode.h"

#include <algorithm>
#include <bit>

#include "kernels/cuda/attention/attention_decode_join.h"
#include "kernels/cuda/attention/attention_decode_split.h"
#include "kernels/cuda/device/stream.h"

namespace lookback::kernels {
namespace {

// Blocks that keep a whole GPU busy (two for each of 132 multiprocessors), and keys that are worth
// one.
constexpr std::int64_t wanted_blocks = 264, min_keys = 64;

std::int64_t all_rows(const AttentionForwardArgs& a) {
  return a.q[0].size(0) * a.q[0].size(1) * a.q[0].size(2);
}

template <class T>
DecodeOperands<T> operands_of(const AttentionForwardArgs& a, const DecodePlan& plan) {
  const auto shape = shape_of(a.q, a.k, a.mask);
  auto* sums = static_cast<float*>(a.workspace.data);
  return {.shape = shape,
          .pieces = piece_table<T, decoded_pieces>(a.q, a.k, shape.group),
          .scales = a.scales.as<float>(),
          .v = rows_of_key_heads<const T>(a.v),
          .given = a.given_log_sum_exp.as<float>(),
          .y = rows_of_heads<T>(a.y, shape.group),
          .log_sum_exp = a.log_sum_exp.as<float>(),
          .form = form_operands<float>(a.form),
          .plan = plan,
          .sums = sums,
          .totals = sums + all_rows(a) * plan.splits * a.v.size(3)};
}

// The queries, then what the warps have.
template <class T>
std::size_t shared_bytes(const AttentionForwardArgs& a, const DecodePlan& plan) {
  const auto columns = static_cast<std::size_t>(plan.lanes * plan.packs * pack_width<T>);
  const auto rows = static_cast<std::size_t>(plan.packed_rows);
  return std::max(a.q.size() * rows * columns, decode_warps * rows * (2 + columns)) * sizeof(float);
}

template <class T, Rules rules, int rows, int packs>
void launch(const AttentionForwardArgs& a, const DecodePlan& plan) {
  const DecodeSplit<T, rules, rows, packs> kernel{operands_of<T>(a, plan)};
  const auto& shape = kernel.operands.shape;
  device::launch({.blocks = shape.sequences * shape.key_heads * plan.row_blocks * plan.splits,
                  .shared_bytes = shared_bytes<T>(a, plan)},
                 kernel);
}

}  // namespace

std::size_t DecodePlan::workspace_bytes(const AttentionForwardArgs& a) const {
  if (splits == 1) return 0;
  return static_cast<std::size_t>(all_rows(a) * splits * (a.v.size(3) + 2)) * sizeof(float);
}

template <class T>
DecodePlan decode_plan(const AttentionForwardArgs& a) {
  const auto shape = shape_of(a.q, a.k, a.mask);
  const auto& mask = shape.visible;
  DecodePlan plan;
  plan.rules = rules_of(form_operands<float>(a.form), mask);
  std::int64_t widest = a.v.size(3);
  for (const auto& piece : a.q) widest = std::max(widest, piece.size(3));
  const auto packs = static_cast<unsigned>(widest / pack_width<T>);
  plan.packs = packs > device::warp_threads ? 2 : 1;
  plan.lanes = std::clamp(static_cast<int>(std::bit_ceil(packs)), 4, int{device::warp_threads});
  const auto rows = shape.group * shape.rows;
  plan.packed_rows = plan.rules == Rules::any ? 4 : rows > 4 ? 8 : rows > 1 ? 4 : 1;
  plan.row_blocks = device::blocks_for(rows, plan.packed_rows);
  plan.last = mask.key_positions != nullptr
                  ? shape.keys
                  : std::clamp<std::int64_t>(mask.offset + shape.rows, 0, shape.keys);
  if (mask.window > 0 && mask.plain()) {
    plan.first = std::clamp<std::int64_t>(mask.offset + 1 - mask.window, 0, plan.last);
  }
  const auto keys = plan.last - plan.first;
  const auto blocks =
      std::max<std::int64_t>(1, shape.sequences * shape.key_heads * plan.row_blocks);
  const auto wanted = std::max<std::int64_t>(1, wanted_blocks / blocks);
  plan.keys_per_split = std::max(min_keys, device::blocks_for(keys, wanted));
  plan.splits = std::max<std::int64_t>(1, device::blocks_for(keys, plan.keys_per_split));
  return plan;
}

template <class T>
bool decodes(const AttentionForwardArgs& a) {
  return a.q[0].size(1) <= max_decoded_rows && a.q.size() <= decoded_pieces &&
         shared_bytes<T>(a, decode_plan<T>(a)) <= device::shared_bytes_of_block();
}

template <class T>
void decode(const AttentionForwardArgs& a, const DecodePlan& plan) {
  const auto with_packs = [&]<int packs>(std::integral_constant<int, packs>) {
    if (plan.rules == Rules::any) return launch<T, Rules::any, 4, packs>(a, plan);
    switch (plan.packed_rows) {
      case 1: launch<T, Rules::plain, 1, packs>(a, plan); break;
      case 4: launch<T, Rules::plain, 4, packs>(a, plan); break;
      default: launch<T, Rules::plain, 8, packs>(a, plan);
    }
  };
  if constexpr (pack_width<T> < 8) {  // rows of 256 bf16 are no more than a pack for each lane
    if (plan.packs == 2) with_packs(std::integral_constant<int, 2>{});
  }
  if (plan.packs == 1) with_packs(std::integral_constant<int, 1>{});
  if (plan.splits == 1) return;
  const JoinSplits<T> join{operands_of<T>(a, plan)};
  device::launch({.blocks = all_rows(a), .shared_bytes = join.shared_bytes}, join);
}

template DecodePlan decode_plan<float>(const AttentionForwardArgs&);
template DecodePlan decode_plan<BFloat16>(const AttentionForwardArgs&);
template bool decodes<float>(const AttentionForwardArgs&);
template bool decodes<BFloat16>(const AttentionForwardArgs&);
template void decode<float>(const AttentionForwardArgs&, const DecodePlan&);
template void decode<BFloat16>(const AttentionForwardArgs&, const DecodePlan&);

}  // namespace lookback::kernels
