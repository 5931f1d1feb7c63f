#include "apps/data/only_token.h"

#include <fmt/format.h>

#include <algorithm>

namespace lookback {

std::optional<std::string> only_token(const TokenSource& source) {
  constexpr std::int64_t steps = 16, rows = 16, longest_row = 64;
  if (source.vocabulary_size() == 1) return {};
  const auto columns = std::min(longest_row, source.tokens().value_or(longest_row + 1) - 1);
  if (columns < 1) return {};
  const auto first = source.training_batch(0, 0, 1, columns).inputs.front();
  for (std::int64_t step = 0; step < steps; ++step) {
    const auto batch = source.training_batch(step, 0, rows, columns);
    const auto is_first = [&](std::int64_t token) { return token == first; };
    if (!std::ranges::all_of(batch.inputs, is_first)) return {};
  }
  return fmt::format(
      "all of {} tokens drawn from the training data are token {} (\"{}\"): nothing can be learned "
      "from them, and the tokenizer may have no words for this text",
      steps * rows * columns, first, source.tokenizer().text_of(first));
}

}  // namespace lookback
