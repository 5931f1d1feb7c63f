#include "nn/proof/leak.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

namespace lookback {
namespace {

// The number that follows ".word." (or "word." at the start) in a path.
std::optional<std::int64_t> number_after(std::string_view path, std::string_view word) {
  const auto key = fmt::format(".{}.", word);
  const auto found = path.find(key);
  if (found == std::string_view::npos) return {};
  const auto digits = path.substr(found + key.size());
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{}) return {};
  return number;
}

}  // namespace

void place_in_layers(Leak& leak) {
  leak.layer = number_after(leak.module, "layers");
  leak.recomputed_layer = number_after(leak.module, "recompute");
}

std::string describe(const Leak& leak) {
  return fmt::format("{} in {} (position {} sees position {})", leak.operation, leak.module,
                     leak.target, leak.source);
}

}  // namespace lookback
