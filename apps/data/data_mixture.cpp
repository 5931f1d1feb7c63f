#include "apps/data/data_mixture.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "apps/cli/exit_code.h"
#include "apps/data/open.h"

namespace lookback {
namespace {

// "a.txt:0.7"; none: there is no number behind a colon.
std::optional<WeightedSpec> weighted(const std::string& word) {
  const auto colon = word.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  WeightedSpec part{.spec = word.substr(0, colon)};
  const char* const end = word.data() + word.size();
  const auto [rest, error] = std::from_chars(word.data() + colon + 1, end, part.weight);
  if (error != std::errc() || rest != end) return std::nullopt;
  return part;
}

// A path may hold spaces: a part goes on until a word has a weight, and it is a mixture only if the
// last word has one.
std::vector<WeightedSpec> weighted_parts(const std::string& spec) {
  std::vector<WeightedSpec> parts;
  for (std::size_t begin = 0, end = 0; begin < spec.size(); ++end) {
    end = std::min(spec.find(' ', end), spec.size());
    const auto part = weighted(spec.substr(begin, end - begin));
    if (!part && end == spec.size()) return {};
    if (!part) continue;
    parts.push_back(*part);
    begin = end + 1;
  }
  return parts;
}

}  // namespace

std::vector<WeightedSpec> parts_of_mixture(const std::string& spec) {
  auto parts = weighted_parts(spec);
  std::set<std::string> seen;
  for (const auto& [name, weight] : parts) {
    if (!(weight > 0) || !std::isfinite(weight)) {
      usage_error("{}:{}: a weight must be a positive number", name, weight);
    }
    if (is_built_in_data(name)) {
      usage_error("{}: a built-in source brings its own words and cannot be mixed with others",
                  name);
    }
    if (!seen.insert(name).second) usage_error("{}: is named twice: give it one weight", name);
  }
  return parts;
}

std::string spec_of(const std::vector<WeightedSpec>& parts) {
  std::vector<std::string> words;
  for (const auto& [name, weight] : parts) words.push_back(fmt::format("{}:{}", name, weight));
  return fmt::format("{}", fmt::join(words, " "));
}

std::vector<std::string> with_whole_mixtures(std::span<const std::string> arguments) {
  std::vector<std::string> result;
  const auto continues = [&](const std::string& word) {
    return result.size() >= 2 && result[result.size() - 2] == "--data" &&
           !weighted_parts(result.back()).empty() && weighted(word);
  };
  for (const auto& word : arguments) {
    if (continues(word)) {
      result.back() += " " + word;
    } else {
      result.push_back(word);
    }
  }
  return result;
}

}  // namespace lookback
