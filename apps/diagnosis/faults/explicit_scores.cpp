#include "apps/diagnosis/faults/explicit_scores.h"

#include "autograd/ops/binary.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/permute.h"
#include "autograd/ops/reshape.h"
#include "autograd/ops/slice.h"

namespace lookback {
namespace {

// q [B, T, H, K], k [B, S, G, K] -> [B, H, T, S]
Tensor product(const Tensor& q, const Tensor& k) {
  const auto batch = q.size(0), tokens = q.size(1), heads = q.size(2), width = q.size(3);
  const auto keys = k.size(1), groups = k.size(2);
  // The query heads of a group lie one after the other: they are more rows for its keys.
  const auto rows =
      reshape(permute(q, {0, 2, 1, 3}), {batch, groups, heads / groups * tokens, width});
  return reshape(matmul(rows, permute(k, {0, 2, 3, 1})), {batch, heads, tokens, keys});
}

}  // namespace

Tensor explicit_scores(const AttentionPieces& pieces) {
  Tensor total;
  for (std::size_t p = 0; p < pieces.q.size(); ++p) {
    const auto i = static_cast<std::int64_t>(p);
    const auto scale = cast(slice(pieces.scales, 0, i, i + 1), pieces.q[p].dtype());
    const auto scores = product(pieces.q[p], pieces.k[p]) * scale;
    total = total.defined() ? total + scores : scores;
  }
  return total;
}

}  // namespace lookback
