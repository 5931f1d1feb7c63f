// pattern.sliding_window = w: a query sees the last w keys, itself included (Jiang et al. 2023,
// Mistral 7B). 1 where a pattern does not name it.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "nn/layer/attention_options.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

constexpr std::string_view key = "sliding_window";

class SlidingWindow final : public PatternRule {
 public:
  explicit SlidingWindow(const ConfigReader& pattern) { pattern.read(key, window_); }

  void narrow(CausalMask& mask) const override {
    mask.window = mask.window == 0 ? window_ : std::min(mask.window, window_);
  }
  void write(nlohmann::ordered_json& pattern) const override { pattern[key] = window_; }
  std::string described() const override { return fmt::format("{} {}", key, window_); }

 private:
  std::int64_t window_ = 1;
};

const PatternRules::Add registered{std::string(key), [](const ConfigReader& pattern) {
                                     return std::make_unique<SlidingWindow>(pattern);
                                   }};
const RegisteredPresets::Add preset{
    "sliding-window",
    {.description = "each token attends to the last 128, itself included",
     .config = R"({"attention_mechanism": {"pattern": {"sliding_window": 128}}})"}};

}  // namespace
}  // namespace lookback
