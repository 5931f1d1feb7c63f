// The masks of attention problems.
#include <algorithm>
#include <numeric>
#include <random>

#include "tests/kernels/attention_problem.h"

namespace lookback::kernels {
namespace {

Tensor table(const std::vector<std::int64_t>& values, const Shape& sizes) {
  const auto x = empty(sizes, DType::i64);
  std::copy(values.begin(), values.end(), x.data<std::int64_t>());
  return x;
}
Tensor list(const std::vector<std::int64_t>& values) {
  return values.empty() ? Tensor{} : table(values, {static_cast<std::int64_t>(values.size())});
}

// 0, 1, .. in a random order.
std::vector<std::int64_t> shuffled(std::int64_t count, std::mt19937& engine) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  std::shuffle(all.begin(), all.end(), engine);
  return all;
}

}  // namespace

CausalMask make_mask(const ProblemShape& s, unsigned seed) {
  std::mt19937 engine(seed);
  CausalMask mask{.offset = s.offset, .window = s.window};
  mask.pattern = {.dilation = list(s.dilations),
                  .global_keys = list(s.global_keys),
                  .block_size = s.block_size};
  if (s.documents) {
    mask.document_start = empty({s.sequences, s.rows}, DType::i64);
    for (std::int64_t i = 0; i < s.sequences * s.rows; ++i) {
      mask.document_start.data<std::int64_t>()[i] = (s.offset + i % s.rows) / 7 * 7;
    }
  }
  if (s.scattered_keys) mask.key_positions = list(shuffled(s.keys, engine));
  if (s.random_blocks == 0) return mask;
  const auto blocks = (s.offset + s.rows) / s.block_size + 1;
  std::vector<std::int64_t> drawn;
  for (std::int64_t i = 0; i < s.heads * blocks; ++i) {
    auto earlier = shuffled(i % blocks, engine);
    earlier.resize(static_cast<std::size_t>(s.random_blocks), -1);
    drawn.insert(drawn.end(), earlier.begin(), earlier.end());
  }
  mask.pattern.random_blocks = table(drawn, {s.heads, blocks, s.random_blocks});
  return mask;
}

bool visible_by_words(const ProblemShape& s, const CausalMask& mask, std::int64_t b, std::int64_t h,
                      std::int64_t t, std::int64_t key) {
  const auto at = [](const Tensor& x, std::int64_t i) { return x.data<std::int64_t>()[i]; };
  const auto start = s.documents ? at(mask.document_start, b * s.rows + t) : 0;
  const auto i = s.offset + t - start;
  const auto j = (s.scattered_keys ? at(mask.key_positions, key) : key) - start;
  if (j < 0 || j > i) return false;
  if (s.window == 0) return true;
  const auto dilation = s.dilations.empty() ? 1 : s.dilations[static_cast<std::size_t>(h)];
  for (std::int64_t m = 0; m < s.window; ++m) {
    if (j == i - m * dilation) return true;
  }
  for (const auto global : s.global_keys) {
    if (i == global || j == global) return true;
  }
  for (std::int64_t k = 0; k < s.random_blocks; ++k) {
    const auto& drawn = mask.pattern.random_blocks;
    const auto block = at(drawn, (h * drawn.size(1) + i / s.block_size) * s.random_blocks + k);
    if (block >= 0 && j >= block * s.block_size && j < (block + 1) * s.block_size) return true;
  }
  return false;
}

}  // namespace lookback::kernels
