// pattern.global_tokens = m: the first m tokens are seen by all, and see all before them; or a list
// of positions (Beltagy et al. 2020, Longformer; Zaheer et al. 2020, BigBird).
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "nn/layer/attention_pattern.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

constexpr std::string_view key = "global_tokens";

class GlobalTokens final : public PatternRule {
 public:
  explicit GlobalTokens(const PatternText& text) {
    const auto* value = text.reader.find(key);
    if (value == nullptr) return;
    const auto position = [](const nlohmann::json& number) {
      return number.is_number_integer() && number >= 0 && number <= ConfigReader::largest_size;
    };
    const bool fits = value->is_array() ? std::ranges::all_of(*value, position) : position(*value);
    text.reader.check(fits, key, "must be a count of at least 0, or a list of positions");
    if (value->is_array()) {
      positions_ = value->get<std::vector<std::int64_t>>();
      std::ranges::sort(positions_);
      positions_.erase(std::ranges::unique(positions_).begin(), positions_.end());
    } else {
      first_ = value->get<std::int64_t>();
    }
  }

  std::vector<std::string_view> keys() const override { return {key}; }

  void show(CausalMask& mask, const PatternSite& site) const override {
    if (is_default()) return;
    mask.pattern.global_keys = table_.at(site, [&](std::int64_t reach) {
      const auto all = before(reach);
      return integers(all, {static_cast<std::int64_t>(all.size())});
    });
  }

  void widen(CacheReach& reach, std::int64_t positions) const override {
    reach.globals = before(positions);
  }

  void write(nlohmann::ordered_json& pattern) const override {
    if (is_default()) return;
    if (positions_.empty()) {
      pattern[key] = first_;
    } else {
      pattern[key] = positions_;
    }
  }
  std::string described() const override {
    if (is_default()) return "";
    return positions_.empty() ? fmt::format("{} {}", key, first_)
                              : fmt::format("{} at {}", key, fmt::join(positions_, " "));
  }

 private:
  // Those before position `end`, ascending.
  std::vector<std::int64_t> before(std::int64_t end) const {
    if (!positions_.empty()) {
      return {positions_.begin(), std::ranges::lower_bound(positions_, end)};
    }
    std::vector<std::int64_t> all(static_cast<std::size_t>(std::min(first_, end)));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  bool is_default() const { return first_ == 0 && positions_.empty(); }

  std::int64_t first_ = 0;               // 0 .. first_ - 1,
  std::vector<std::int64_t> positions_;  // or these, ascending
  PatternTable table_;
};

const PatternRules::Add registered{
    std::string(key), [](const PatternText& text) { return std::make_unique<GlobalTokens>(text); }};
const RegisteredPresets::Add global{
    "global",
    {.description = "each token attends to the last 64 and to the first 4",
     .config =
         R"({"attention_mechanism": {"pattern": {"sliding_window": 64, "global_tokens": 4}}})"}};
const RegisteredPresets::Add longformer{
    "longformer",
    {.description = "each token attends to every second before it, 64 of them, and to the first 4",
     .config = R"({"attention_mechanism": {"pattern":
                   {"sliding_window": 64, "dilation": 2, "global_tokens": 4}}})"}};

}  // namespace
}  // namespace lookback
