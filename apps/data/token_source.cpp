#include "apps/data/token_source.h"

#include <algorithm>

#include "runtime/check.h"

namespace lookback {

std::int64_t TokenBatch::scored() const {
  return std::count_if(targets.begin(), targets.end(),
                       [](std::int64_t target) { return target != ignored_target; });
}

std::optional<std::vector<std::int64_t>> TokenSource::training_starts(std::int64_t, std::int64_t,
                                                                      std::int64_t,
                                                                      std::int64_t) const {
  return std::nullopt;
}

std::optional<std::vector<std::int64_t>> TokenSource::tokens_at(std::int64_t, std::int64_t) const {
  return std::nullopt;
}

std::vector<std::int64_t> TokenSource::training_documents(std::int64_t step,
                                                          std::int64_t micro_step,
                                                          std::int64_t rows,
                                                          std::int64_t columns) const {
  const auto batch = training_batch(step, micro_step, rows, columns);
  const auto end = tokenizer().document_end();
  std::vector<std::int64_t> documents;
  documents.reserve(static_cast<std::size_t>(rows * (columns + 1)));
  for (auto token = batch.inputs.begin(); token != batch.inputs.end();) {
    documents.push_back(0);
    for (const auto row_end = token + columns; token != row_end; ++token)
      documents.push_back(documents.back() + (*token == end ? 1 : 0));
  }
  return documents;
}

std::string TokenSource::document_name(std::int64_t document) const {
  return fmt::format("document {} of its row", document);
}

std::shared_ptr<const TokenSource> TokenSource::fresh_draws(std::uint64_t) const { return nullptr; }

std::shared_ptr<const TokenSource> TokenSource::drawn_from(std::uint64_t seed) const {
  return fresh_draws(seed);
}

std::vector<double> TokenSource::nats(const TokenBatch&) const {
  fail("data", "these data know no probabilities: only built-in sources have a floor");
}

}  // namespace lookback
