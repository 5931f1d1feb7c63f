// The keys that rows see where the rule of a mask is not plain (kernels/causal_mask.h), as a byte
// for each row and key. The work is in proportion to the keys seen.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/causal_mask.h"

namespace lookback::kernels {

// Whether all heads see the same.
inline bool same_for_heads(const KeyPattern& pattern) {
  return pattern.dilation == nullptr && pattern.random_blocks == nullptr;
}

// Keys first, first + step, .. below last.
struct KeyRun {
  std::int64_t first, last, step;
};

// Calls body(run) for runs of keys that the row sees, all of them and no others, some perhaps more
// than once. Not for a mask with key positions.
template <class Body>
void for_each_run(const VisibleKeys& rule, std::int64_t sequence, std::int64_t head,
                  std::int64_t row, std::int64_t keys, const Body& body) {
  const auto seen = rule.keys_of(sequence, row, keys);
  const auto& pattern = rule.pattern;
  if (seen.empty()) return;
  const auto start = rule.start_of(sequence, row), position = rule.offset + row - start;
  if (!pattern.present() || rule.window == 0 || pattern.is_global(position)) {
    return body(KeyRun{seen.first, seen.last, 1});
  }
  const auto run = [&](std::int64_t first, std::int64_t last, std::int64_t step) {
    if (first < seen.first) first += (seen.first - first + step - 1) / step * step;
    if (first < std::min(last, seen.last)) body(KeyRun{first, std::min(last, seen.last), step});
  };
  const auto step = pattern.dilation_of(head);
  const auto own = start + position;
  run(own - std::min(rule.window - 1, position / step) * step, own + 1, step);
  for (std::int64_t k = 0; k < pattern.global_count; ++k) {
    if (pattern.global_keys[k] > position) break;
    run(start + pattern.global_keys[k], start + pattern.global_keys[k] + 1, 1);
  }
  for (std::int64_t k = 0; k < pattern.random_count; ++k) {
    const auto block = pattern.blocks_of(head, position)[k];
    if (block < 0) continue;
    run(start + block * pattern.block_size, start + (block + 1) * pattern.block_size, 1);
  }
}

// Sets shown[key] to 1 for the keys that the row sees, and leaves the others as they are.
inline void mark_shown(const VisibleKeys& rule, std::int64_t sequence, std::int64_t head,
                       std::int64_t row, std::int64_t keys, std::uint8_t* shown) {
  if (rule.key_positions != nullptr) {
    for (std::int64_t s = 0; s < keys; ++s) {
      if (rule.visible(sequence, head, row, s, keys)) shown[s] = 1;
    }
    return;
  }
  for_each_run(rule, sequence, head, row, keys, [&](const KeyRun& run) {
    for (auto s = run.first; s < run.last; s += run.step) shown[s] = 1;
  });
}

// Of `count` rows of one head from `row` on; null where the rule is plain.
class ShownKeys {
 public:
  ShownKeys(const CausalMaskView& mask, std::int64_t sequence, std::int64_t head, std::int64_t row,
            std::int64_t count, std::int64_t keys)
      : keys_(keys) {
    const auto rule = mask.rule();
    if (rule.plain()) return;
    bytes_.resize(static_cast<std::size_t>(count * keys));
    for (std::int64_t i = 0; i < count; ++i) {
      mark_shown(rule, sequence, head, row + i, keys, bytes_.data() + i * keys);
    }
  }
  bool plain() const { return bytes_.empty(); }
  std::int64_t stride() const { return keys_; }
  const std::uint8_t* from(std::int64_t key) const {
    return bytes_.empty() ? nullptr : bytes_.data() + key;
  }
  // Whether a row sees a key of its range.
  bool shows(std::int64_t row, std::int64_t key) const {
    return bytes_.empty() || bytes_[static_cast<std::size_t>(row * keys_ + key)] != 0;
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::int64_t keys_;
};

}  // namespace lookback::kernels
