#include "apps/model/finite_weights.h"

#include <algorithm>
#include <cmath>

#include "apps/cli/exit_code.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

std::string name_of(double value) { return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf"; }

NonFiniteWeight scanned(const NamedParameter& parameter) {
  const auto here = on_host(parameter.tensor);
  NonFiniteWeight found{.name = parameter.name, .value = "", .numbers = here.numel()};
  const auto numbers_of_a_row =
      here.rank() == 0 ? 1 : here.numel() / std::max<std::int64_t>(here.size(0), 1);
  visit_floating(here.dtype(), [&]<class T>(TypeTag<T>) {
    std::int64_t i = 0;
    for (const auto element : here.elements<T>()) {
      const auto value = static_cast<double>(element);
      if (!std::isfinite(value) && found.count++ == 0) {
        found.value = name_of(value);
        found.row = i / numbers_of_a_row;
      }
      ++i;
    }
  });
  return found;
}

}  // namespace

std::vector<NonFiniteWeight> non_finite_weights(const Llama& llama) {
  std::vector<NonFiniteWeight> all;
  for (const auto& parameter : llama.parameters()) {
    auto found = scanned(parameter);
    if (found.count > 0) all.push_back(std::move(found));
  }
  return all;
}

std::string in_words(const std::vector<NonFiniteWeight>& weights) {
  constexpr std::size_t most = 4;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, weights.size()); ++i) {
    const auto& [name, value, row, count, numbers] = weights[i];
    text += fmt::format("{}{} holds {} in row {} ({} of {} numbers)", i == 0 ? "" : ", ", name,
                        value, row, count, numbers);
  }
  if (weights.size() > most) text += fmt::format(", and {} more do", weights.size() - most);
  return text;
}

void check_finite_weights(const Llama& llama, const std::filesystem::path& directory) {
  const auto found = non_finite_weights(llama);
  if (!found.empty())
    throw NonFiniteError(fmt::format("{}: {}", directory.string(), in_words(found)));
}

}  // namespace lookback
