// pattern.dilation = d: the keys of the window lie d apart (Beltagy et al. 2020, Longformer, after
// dilated convolutions). A list has a number for each head.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "nn/layer/attention_pattern.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

constexpr std::string_view key = "dilation";

class Dilation final : public PatternRule {
 public:
  explicit Dilation(const PatternText& text) {
    const auto& [reader, config] = text;
    const auto* value = reader.find(key);
    if (value == nullptr) return;
    const auto positive = [](const nlohmann::json& number) {
      return number.is_number_integer() && number >= 1 && number <= ConfigReader::largest_size;
    };
    const bool list = value->is_array();
    const bool fits = list ? std::ranges::all_of(*value, positive) : positive(*value);
    reader.check(fits, key, "must be an integer of at least 1, or a list with one for each head");
    const auto heads = static_cast<std::size_t>(config.num_attention_heads);
    reader.check(!list || value->size() == heads, key, "must have {} numbers, one for each head",
                 heads);
    steps_ =
        list ? value->get<std::vector<std::int64_t>>() : std::vector{value->get<std::int64_t>()};
  }

  std::vector<std::string_view> keys() const override { return {key}; }

  void show(CausalMask& mask, const PatternSite& site) const override {
    if (is_default()) return;
    mask.pattern.dilation = table_.at(site, [&](std::int64_t) {
      std::vector<std::int64_t> all;
      for (std::int64_t head = 0; head < site.heads; ++head) {
        all.push_back(steps_[static_cast<std::size_t>(head) % steps_.size()]);
      }
      return integers(all, {site.heads});
    });
  }

  void widen(CacheReach& reach, std::int64_t) const override {
    reach.step = std::ranges::max(steps_);
  }
  bool same_for_heads() const override {
    return std::ranges::all_of(steps_, [&](std::int64_t step) { return step == steps_[0]; });
  }

  void write(nlohmann::ordered_json& pattern) const override {
    if (is_default()) return;
    if (steps_.size() == 1) {
      pattern[key] = steps_[0];
    } else {
      pattern[key] = steps_;
    }
  }
  std::string described() const override {
    return is_default() ? "" : fmt::format("{} {}", key, fmt::join(steps_, " "));
  }

 private:
  bool is_default() const {
    return std::ranges::all_of(steps_, [](std::int64_t step) { return step == 1; });
  }

  std::vector<std::int64_t> steps_{1};  // one, or one for each head
  PatternTable table_;
};

const PatternRules::Add registered{
    std::string(key), [](const PatternText& text) { return std::make_unique<Dilation>(text); }};
const RegisteredPresets::Add preset{
    "dilated",
    {.description = "each token attends to every fourth before it, 64 of them",
     .config = R"({"attention_mechanism": {"pattern": {"sliding_window": 64, "dilation": 4}}})"}};

}  // namespace
}  // namespace lookback
