// pattern.num_random_blocks = R: each block of block_size queries sees R blocks of keys before it,
// drawn once for all (Zaheer et al. 2020, BigBird). A draw is a function of (random_seed, layer,
// head, block) alone: the same in training, evaluation and decoding, at any length.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "nn/layer/attention_pattern.h"
#include "nn/layer/preset.h"
#include "runtime/random.h"

namespace lookback {
namespace {

constexpr std::string_view count_key = "num_random_blocks", size_key = "block_size",
                           seed_key = "random_seed";

// `count` distinct blocks of those before `block`, ascending, filled up with -1: all, if there are
// no more, else by Floyd's sampling (Bentley & Floyd 1987).
void draw_blocks(const Philox& stream, std::int64_t block, std::span<std::int64_t> drawn) {
  const auto count = static_cast<std::int64_t>(drawn.size());
  std::ranges::fill(drawn, -1);
  if (block <= count) {
    std::iota(drawn.begin(), drawn.begin() + block, 0);
    return;
  }
  for (std::int64_t k = 0; k < count; ++k) {
    const auto last = block - count + k;
    const auto counter =
        static_cast<std::uint64_t>(block) << 16 | static_cast<std::uint64_t>(k / 4);
    const std::uint64_t word = stream.block(counter).word[k % 4];
    const auto uniform =
        static_cast<std::int64_t>(word * static_cast<std::uint64_t>(last + 1) >> 32);
    const auto taken = drawn.first(static_cast<std::size_t>(k));
    drawn[static_cast<std::size_t>(k)] =
        std::ranges::find(taken, uniform) == taken.end() ? uniform : last;
  }
  std::ranges::sort(drawn);
}

class RandomBlocks final : public PatternRule {
 public:
  explicit RandomBlocks(const PatternText& text) {
    const auto& reader = text.reader;
    if (const auto* value = reader.find(count_key)) {
      const bool fits = value->is_number_integer() && *value >= 0 && *value <= most_blocks;
      reader.check(fits, count_key, "must be an integer from 0 to {}", most_blocks);
      count_ = value->get<std::int64_t>();
    }
    if (reader.find(size_key) != nullptr) reader.read(size_key, block_size_);
    if (const auto* value = reader.find(seed_key)) {
      const bool fits = value->is_number_unsigned() ||
                        (value->is_number_integer() && value->get<std::int64_t>() >= 0);
      reader.check(fits, seed_key, "must be an integer of at least 0");
      seed_ = value->get<std::uint64_t>();
    }
  }

  std::vector<std::string_view> keys() const override { return {count_key, size_key, seed_key}; }

  void show(CausalMask& mask, const PatternSite& site) const override {
    if (count_ == 0) return;
    mask.pattern.block_size = block_size_;
    mask.pattern.random_blocks =
        table_.at(site, [&](std::int64_t reach) { return table(site, reach); });
  }

  // A block of any age may be drawn.
  void widen(CacheReach& reach, std::int64_t) const override { reach.whole |= count_ > 0; }
  bool same_for_heads() const override { return count_ == 0; }

  void write(nlohmann::ordered_json& pattern) const override {
    if (count_ != 0) pattern[count_key] = count_;
    if (block_size_ != 1) pattern[size_key] = block_size_;
    if (seed_ != 0) pattern[seed_key] = seed_;
  }
  std::string described() const override {
    return count_ == 0 ? "" : fmt::format("{} {} of {}", count_key, count_, block_size_);
  }

 private:
  // [heads, blocks, R], of blocks that hold `reach` positions.
  Tensor table(const PatternSite& site, std::int64_t reach) const {
    const auto blocks = (reach + block_size_ - 1) / block_size_;
    std::vector<std::int64_t> all(static_cast<std::size_t>(site.heads * blocks * count_));
    const auto count = static_cast<std::size_t>(count_);
    for (std::int64_t i = 0; i < site.heads * blocks; ++i) {
      const auto layer_and_head =
          static_cast<std::uint64_t>(site.layer) << 16 | static_cast<std::uint64_t>(i / blocks);
      const Philox stream{seed_, stream_of(RandomUse::attention_pattern, layer_and_head)};
      draw_blocks(stream, i % blocks,
                  std::span(all).subspan(static_cast<std::size_t>(i) * count, count));
    }
    return integers(all, {site.heads, blocks, count_});
  }

  static constexpr std::int64_t most_blocks = 1 << 16;  // a draw's counter has room for no more

  std::int64_t count_ = 0, block_size_ = 1;
  std::uint64_t seed_ = 0;
  PatternTable table_;
};

const PatternRules::Add registered{
    "random_blocks", [](const PatternText& text) { return std::make_unique<RandomBlocks>(text); }};
const RegisteredPresets::Add random{
    "random",
    {.description = "each token attends to the last 64 and to 3 random blocks of 16",
     .config = R"({"attention_mechanism": {"pattern":
                   {"sliding_window": 64, "num_random_blocks": 3, "block_size": 16}}})"}};
const RegisteredPresets::Add bigbird{
    "bigbird",
    {.description = "each token attends to the last 48, the first 16 and 3 random blocks of 16",
     .config = R"({"attention_mechanism": {"pattern": {"sliding_window": 48, "global_tokens": 16,
                   "num_random_blocks": 3, "block_size": 16}}})"}};

}  // namespace
}  // namespace lookback
