#include "apps/data/mixed_source.h"

#include <algorithm>
#include <utility>

#include "apps/data/batch_rows.h"
#include "runtime/check.h"

namespace lookback {
namespace {

// Documents of a source that tells them apart by its tokens are numbered anew in each row.
std::int64_t numbered_documents(const TokenSource& source) {
  constexpr std::int64_t more_than_a_row_holds = std::int64_t{1} << 40;
  return source.documents().value_or(more_than_a_row_holds);
}

void copy_rows(const TokenBatch& from, TokenBatch& to, std::int64_t first_row) {
  const auto place = first_row * to.columns;
  std::ranges::copy(from.inputs, to.inputs.begin() + place);
  std::ranges::copy(from.targets, to.targets.begin() + place);
}

}  // namespace

MixedSource::MixedSource(std::vector<WeightedSource> parts, std::uint64_t seed)
    : parts_(std::move(parts)), run_seed_(seed) {
  const Check check{"data"};
  check(!parts_.empty(), "a mixture of no sources");
  double all = 0;
  for (const auto& part : parts_) all += part.weight;
  double so_far = 0;
  for (const auto& [source, weight] : parts_) {
    const auto& ours = source->tokenizer();
    check(ours.name() == tokenizer().name() &&
              ours.vocabulary_size() == tokenizer().vocabulary_size(),
          "sources of a mixture use the tokenizers {} ({} tokens) and {} ({} tokens): they must "
          "use the same",
          tokenizer().name(), tokenizer().vocabulary_size(), ours.name(), ours.vocabulary_size());
    check(source->tokens().has_value(), "an endless source cannot be mixed with others");
    up_to_.push_back((so_far += weight) / all);
  }
}

std::optional<std::int64_t> MixedSource::scored_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& part : parts_) {
    const auto of_part = part.source->scored_bytes();
    if (!of_part) return std::nullopt;
    bytes += *of_part;
  }
  return bytes;
}

std::optional<std::int64_t> MixedSource::tokens() const {
  std::int64_t tokens = 0;
  for (const auto& part : parts_) tokens += *part.source->tokens();
  return tokens;
}

std::size_t MixedSource::part_of(std::int64_t step, std::int64_t row) const {
  RandomStream random(run_seed_,
                      stream_of(RandomUse::source_choice, static_cast<std::uint64_t>(step)),
                      static_cast<std::uint64_t>(row) << 32);
  const auto found = std::ranges::upper_bound(up_to_, random.uniform());
  return std::min(static_cast<std::size_t>(found - up_to_.begin()), parts_.size() - 1);
}

TokenBatch MixedSource::training_batch(std::int64_t step, std::int64_t micro_step,
                                       std::int64_t rows, std::int64_t columns) const {
  auto batch = empty_batch(rows, columns);
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto row = row_of_step(micro_step, rows, i);
    const auto& source = *parts_[part_of(step, row)].source;
    copy_rows(source.training_batch(step, row, 1, columns), batch, i);
  }
  return batch;
}

std::int64_t MixedSource::first_document(std::size_t part) const {
  std::int64_t first = 0;
  for (std::size_t i = 0; i < part; ++i) first += numbered_documents(*parts_[i].source);
  return first;
}

std::vector<std::int64_t> MixedSource::training_documents(std::int64_t step,
                                                          std::int64_t micro_step,
                                                          std::int64_t rows,
                                                          std::int64_t columns) const {
  std::vector<std::int64_t> documents;
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto row = row_of_step(micro_step, rows, i);
    const auto part = part_of(step, row);
    const auto first = first_document(part);
    for (const auto each : parts_[part].source->training_documents(step, row, 1, columns))
      documents.push_back(first + each);
  }
  return documents;
}

template <class Visit>
void MixedSource::each_part(std::int64_t first_row, std::int64_t rows, std::int64_t columns,
                            const Visit& visit) const {
  for (std::size_t part = 0; part < parts_.size() && rows > 0; ++part) {
    const auto of_part = *parts_[part].source->evaluation_rows(columns);
    if (first_row >= of_part) {
      first_row -= of_part;
      continue;
    }
    const auto count = std::min(rows, of_part - first_row);
    visit(part, first_row, count);
    rows -= count;
    first_row = 0;
  }
}

std::vector<std::int64_t> MixedSource::evaluation_documents(std::int64_t first_row,
                                                            std::int64_t rows,
                                                            std::int64_t columns) const {
  std::vector<std::int64_t> documents;
  each_part(
      first_row, rows, columns, [&](std::size_t part, std::int64_t begin, std::int64_t count) {
        const auto first = first_document(part);
        for (const auto each : parts_[part].source->evaluation_documents(begin, count, columns))
          documents.push_back(first + each);
      });
  return documents;
}

std::string MixedSource::document_name(std::int64_t document) const {
  std::size_t part = 0;
  while (part + 1 < parts_.size() && document >= numbered_documents(*parts_[part].source))
    document -= numbered_documents(*parts_[part++].source);
  return parts_[part].source->document_name(document);
}

std::optional<std::int64_t> MixedSource::documents() const {
  std::int64_t documents = 0;
  for (const auto& part : parts_) documents += part.source->documents().value_or(1);
  return documents;
}

std::optional<std::int64_t> MixedSource::separator() const {
  const auto first = parts_.front().source->separator();
  const bool same = std::ranges::all_of(
      parts_, [&](const auto& part) { return part.source->separator() == first; });
  return same ? first : std::nullopt;
}

std::optional<std::int64_t> MixedSource::evaluation_rows(std::int64_t columns) const {
  std::int64_t rows = 0;
  for (const auto& part : parts_) rows += *part.source->evaluation_rows(columns);
  return rows;
}

TokenBatch MixedSource::evaluation_batch(std::int64_t first_row, std::int64_t rows,
                                         std::int64_t columns) const {
  const Check check{"data"};
  const auto all = *evaluation_rows(columns);
  check(0 <= first_row && first_row < all, "evaluation row {} of {}", first_row, all);
  auto batch = empty_batch(std::min(rows, all - first_row), columns);
  std::int64_t filled = 0;
  each_part(
      first_row, rows, columns, [&](std::size_t part, std::int64_t begin, std::int64_t count) {
        copy_rows(parts_[part].source->evaluation_batch(begin, count, columns), batch, filled);
        filled += count;
      });
  return batch;
}

std::shared_ptr<const TokenSource> MixedSource::drawn_from(std::uint64_t seed) const {
  std::vector<WeightedSource> parts;
  for (const auto& [source, weight] : parts_) parts.push_back({source->drawn_from(seed), weight});
  return std::make_shared<MixedSource>(std::move(parts), seed);
}

}  // namespace lookback
