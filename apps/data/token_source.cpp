#include "apps/data/token_source.h"

#include <algorithm>

#include "runtime/check.h"

namespace lookback {
namespace {

// Document 0 goes on until a token closes it.
std::vector<std::int64_t> documents_by(std::optional<std::int64_t> end, const TokenBatch& batch) {
  std::vector<std::int64_t> documents;
  documents.reserve(static_cast<std::size_t>(batch.rows * (batch.columns + 1)));
  for (auto token = batch.inputs.begin(); token != batch.inputs.end();) {
    documents.push_back(0);
    for (const auto row_end = token + batch.columns; token != row_end; ++token)
      documents.push_back(documents.back() + (*token == end ? 1 : 0));
  }
  return documents;
}

}  // namespace

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
  return documents_by(tokenizer().document_end(), training_batch(step, micro_step, rows, columns));
}

std::vector<std::int64_t> TokenSource::evaluation_documents(std::int64_t first_row,
                                                            std::int64_t rows,
                                                            std::int64_t columns) const {
  return documents_by(tokenizer().document_end(), evaluation_batch(first_row, rows, columns));
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
