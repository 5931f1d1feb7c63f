#include "apps/data/documents_apart.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>

#include "apps/data/batch_rows.h"
#include "runtime/check.h"

namespace lookback {
namespace {

// What a pass of its own costs, in tokens that are fed: each pass reads all weights once more.
constexpr std::int64_t cost_of_a_pass = 64;

std::int64_t length_of_row(const TokenBatch& whole, std::int64_t row) {
  auto length = whole.columns;
  while (length > 0 && whole.targets[static_cast<std::size_t>(row * whole.columns + length - 1)] ==
                           ignored_target) {
    --length;
  }
  return length;
}

std::vector<DocumentPart> parts_of(const TokenBatch& whole, std::span<const std::int64_t> documents,
                                   std::span<const std::int64_t> closing) {
  std::vector<DocumentPart> parts;
  for (std::int64_t row = 0; row < whole.rows; ++row) {
    const auto place = row * whole.columns, length = length_of_row(whole, row);
    const auto begins_document = [&](std::int64_t t) {
      const auto label = static_cast<std::size_t>(place + row + t);
      const auto before = whole.inputs[static_cast<std::size_t>(place + t - 1)];
      return documents[label] != documents[label - 1] ||
             std::ranges::find(closing, before) != closing.end();
    };
    std::int64_t begin = 0;
    for (std::int64_t t = 1; t <= length; ++t) {
      if (t < length && !begins_document(t)) continue;
      parts.push_back({place + begin, t - begin});
      begin = t;
    }
  }
  return parts;
}

using PartsByLength = std::map<std::int64_t, std::vector<DocumentPart>, std::greater<>>;

// Which lengths, from the longest on, stand together: how many each batch takes, so that the
// tokens fed and what the passes cost are fewest. No batch is larger than the whole.
std::vector<std::size_t> lengths_of_batches(const PartsByLength& parts, std::int64_t most_tokens,
                                            RowFilling filling) {
  struct Length {
    std::int64_t tokens = 0, parts = 0;
  };
  std::vector<Length> lengths;
  for (const auto& [length, of_length] : parts) lengths.push_back({length, std::ssize(of_length)});
  // From the i-th length on: the least cost, and how many lengths the first batch takes then.
  std::vector<std::int64_t> least(lengths.size() + 1, std::numeric_limits<std::int64_t>::max());
  std::vector<std::size_t> taken(lengths.size());
  least.back() = 0;
  for (auto i = lengths.size(); i-- > 0;) {
    std::int64_t rows = 0;
    for (auto end = i + 1; end <= lengths.size(); ++end) {
      rows += lengths[end - 1].parts;
      const auto fed = rows * lengths[i].tokens;
      if (end > i + 1 && (filling == RowFilling::none || fed > most_tokens)) break;
      const auto cost = least[end] + fed + cost_of_a_pass;
      if (cost >= least[i]) continue;
      least[i] = cost;
      taken[i] = end - i;
    }
  }
  std::vector<std::size_t> batches;
  for (std::size_t i = 0; i < lengths.size(); i += taken[i]) batches.push_back(taken[i]);
  return batches;
}

DocumentRows rows_of(const TokenBatch& whole, std::vector<DocumentPart> parts) {
  const auto longest = parts.front().length;
  DocumentRows rows{.batch = empty_batch(std::ssize(parts), longest), .parts = std::move(parts)};
  for (std::size_t row = 0; row < rows.parts.size(); ++row) {
    const auto [place, length] = rows.parts[row];
    const auto to = static_cast<std::ptrdiff_t>(row) * longest;
    std::copy_n(whole.inputs.begin() + place, length, rows.batch.inputs.begin() + to);
    std::copy_n(whole.targets.begin() + place, length, rows.batch.targets.begin() + to);
    rows.batch.filling += longest - length;
  }
  return rows;
}

}  // namespace

std::vector<DocumentRows> documents_apart(const TokenBatch& whole,
                                          std::span<const std::int64_t> documents,
                                          std::span<const std::int64_t> closing,
                                          RowFilling filling) {
  const Check check{"data"};
  check(std::ssize(documents) == whole.rows * (whole.columns + 1),
        "the documents of {} tokens for a batch of {} x ({} + 1)", documents.size(), whole.rows,
        whole.columns);
  PartsByLength by_length;
  for (const auto& part : parts_of(whole, documents, closing))
    by_length[part.length].push_back(part);
  if (by_length.empty()) {
    std::vector<DocumentPart> all;
    for (std::int64_t row = 0; row < whole.rows; ++row)
      all.push_back({row * whole.columns, whole.columns});
    return {{whole, std::move(all)}};
  }
  std::vector<DocumentRows> result;
  auto next = by_length.begin();
  for (const auto count : lengths_of_batches(by_length, whole.rows * whole.columns, filling)) {
    std::vector<DocumentPart> parts;
    for (std::size_t i = 0; i < count; ++i, ++next)
      parts.insert(parts.end(), next->second.begin(), next->second.end());
    result.push_back(rows_of(whole, std::move(parts)));
  }
  return result;
}

}  // namespace lookback
