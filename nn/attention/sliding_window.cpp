// pattern.sliding_window = w: a query sees the last w keys, itself included (Jiang et al. 2023,
// Mistral 7B). 1 where a pattern does not name it.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "nn/layer/attention_pattern.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

constexpr std::string_view key = "sliding_window";

class SlidingWindow final : public PatternRule {
 public:
  explicit SlidingWindow(const PatternText& text) {
    if (text.reader.find(key) != nullptr) text.reader.read(key, window_);
  }

  std::vector<std::string_view> keys() const override { return {key}; }
  void show(CausalMask& mask, const PatternSite&) const override { mask.window = window_; }
  void widen(CacheReach& reach, std::int64_t) const override { reach.window = window_; }
  // Always, so that no pattern is written as none.
  void write(nlohmann::ordered_json& pattern) const override { pattern[key] = window_; }
  std::string described() const override { return fmt::format("{} {}", key, window_); }

 private:
  std::int64_t window_ = 1;
};

const PatternRules::Add registered{std::string(key), [](const PatternText& text) {
                                     return std::make_unique<SlidingWindow>(text);
                                   }};
const RegisteredPresets::Add preset{
    "sliding-window",
    {.description = "each token attends to the last 128, itself included",
     .config = R"({"attention_mechanism": {"pattern": {"sliding_window": 128}}})"}};

}  // namespace
}  // namespace lookback
