#include "apps/data/data_mixture.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <sstream>

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

// A path may hold spaces: it is a mixture only if each word has its weight.
std::vector<WeightedSpec> weighted_words(const std::string& spec) {
  std::vector<WeightedSpec> parts;
  std::istringstream words(spec);
  for (std::string word; words >> word;) {
    const auto part = weighted(word);
    if (!part) return {};
    parts.push_back(*part);
  }
  return parts;
}

}  // namespace

std::vector<WeightedSpec> parts_of_mixture(const std::string& spec) {
  auto parts = weighted_words(spec);
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
  for (const auto& [name, weight] : parts) {
    if (std::ranges::any_of(name, [](unsigned char c) { return std::isspace(c) != 0; })) {
      usage_error("{}: has spaces in its path, which a mixture cannot take: give it a link without",
                  name);
    }
    words.push_back(fmt::format("{}:{}", name, weight));
  }
  return fmt::format("{}", fmt::join(words, " "));
}

std::vector<std::string> with_whole_mixtures(std::span<const std::string> arguments) {
  std::vector<std::string> result;
  const auto continues = [&](const std::string& word) {
    return result.size() >= 2 && result[result.size() - 2] == "--data" &&
           !weighted_words(result.back()).empty() && weighted(word);
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
