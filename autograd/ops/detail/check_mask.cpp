#include "autograd/ops/detail/check_mask.h"

namespace lookback::detail {
namespace {

// Contiguous, as kernels read it.
void check_table(const Check& check, std::string_view name, const Tensor& x, const Shape& shape) {
  check(!x.defined() || (x.shape() == shape && x.dtype() == DType::i64 && x.is_contiguous()),
        "the mask's {} must be {} of int64, contiguous", name, shape);
}

void check_pattern(const Check& check, const CausalMask& mask, const ScoreShape& scores) {
  const auto& pattern = mask.pattern;
  if (!pattern.present()) return;
  check(mask.window > 0, "the mask has a pattern: its window {} must be at least 1", mask.window);
  check_table(check, "dilation", pattern.dilation, {scores.heads});
  const auto& global = pattern.global_keys;
  check_table(check, "global_keys", global, {global.defined() ? global.numel() : 0});
  const auto& random = pattern.random_blocks;
  if (!random.defined()) return;
  check(random.rank() == 3, "the mask's random_blocks {} must have three dimensions",
        random.shape());
  check_table(check, "random_blocks", random, {scores.heads, random.size(1), random.size(2)});
  check(pattern.block_size >= 1, "the mask's block_size {} must be at least 1", pattern.block_size);
  const auto end = mask.offset + scores.rows;
  check(random.size(1) * pattern.block_size >= end,
        "the mask's random_blocks {} reach position {}: the last query stands at {}",
        random.shape(), random.size(1) * pattern.block_size - 1, end - 1);
}

}  // namespace

void check_mask(const Check& check, const CausalMask& mask, const ScoreShape& scores) {
  const auto& document_start = mask.document_start;
  const Shape positions{scores.sequences, scores.rows};
  check(!document_start.defined() ||
            (document_start.shape() == positions && document_start.dtype() == DType::i64),
        "the mask's document_start must be {} of int64", positions);
  check(mask.window >= 0, "the mask's window {} must not be negative", mask.window);
  check_pattern(check, mask, scores);
  check_table(check, "key_positions", mask.key_positions, {scores.keys});
}

}  // namespace lookback::detail
