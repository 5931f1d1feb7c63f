#include "apps/data/documents_apart.h"

#include <algorithm>
#include <functional>
#include <map>

#include "apps/data/batch_rows.h"
#include "runtime/check.h"

namespace lookback {
namespace {

// By the length of parts, the longest first: where they begin.
using PlacesByLength = std::map<std::int64_t, std::vector<std::int64_t>, std::greater<>>;

std::int64_t length_of_row(const TokenBatch& whole, std::int64_t row) {
  auto length = whole.columns;
  while (length > 0 && whole.targets[static_cast<std::size_t>(row * whole.columns + length - 1)] ==
                           ignored_target) {
    --length;
  }
  return length;
}

PlacesByLength places_of_parts(const TokenBatch& whole, std::span<const std::int64_t> documents,
                               std::span<const std::int64_t> closing) {
  PlacesByLength parts;
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
      parts[t - begin].push_back(place + begin);
      begin = t;
    }
  }
  return parts;
}

// The parts of one length.
DocumentRows rows_of(const TokenBatch& whole, std::int64_t length,
                     std::vector<std::int64_t> places) {
  DocumentRows rows{.batch = empty_batch(std::ssize(places), length), .places = std::move(places)};
  auto input = rows.batch.inputs.begin();
  auto target = rows.batch.targets.begin();
  for (const auto place : rows.places) {
    input = std::copy_n(whole.inputs.begin() + place, length, input);
    target = std::copy_n(whole.targets.begin() + place, length, target);
  }
  return rows;
}

}  // namespace

std::vector<DocumentRows> documents_apart(const TokenBatch& whole,
                                          std::span<const std::int64_t> documents,
                                          std::span<const std::int64_t> closing) {
  const Check check{"data"};
  check(std::ssize(documents) == whole.rows * (whole.columns + 1),
        "the documents of {} tokens for a batch of {} x ({} + 1)", documents.size(), whole.rows,
        whole.columns);
  auto parts = places_of_parts(whole, documents, closing);
  if (parts.empty()) {
    for (std::int64_t row = 0; row < whole.rows; ++row)
      parts[whole.columns].push_back(row * whole.columns);
  }
  std::vector<DocumentRows> result;
  for (auto& [length, places] : parts) result.push_back(rows_of(whole, length, std::move(places)));
  return result;
}

}  // namespace lookback
