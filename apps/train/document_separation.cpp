#include "apps/train/document_separation.h"

#include <algorithm>

#include "apps/cli/exit_code.h"
#include "apps/model/end_tokens.h"

namespace lookback {
namespace {

constexpr auto flag = "--no-cross-document-attention";

}  // namespace

DocumentSeparation::DocumentSeparation(const Llama& llama)
    : config_end_tokens_(end_tokens_of(llama.config, "config.json")) {}

std::vector<DocumentRows> DocumentSeparation::training(const TokenSource& source, std::int64_t step,
                                                       std::int64_t micro_step, std::int64_t rows,
                                                       std::int64_t columns) const {
  return documents_apart(source.training_batch(step, micro_step, rows, columns),
                         source.training_documents(step, micro_step, rows, columns),
                         closing_tokens(source));
}

std::vector<DocumentRows> DocumentSeparation::evaluation(const TokenSource& source,
                                                         std::int64_t first_row,
                                                         const TokenBatch& batch) const {
  return documents_apart(batch, source.evaluation_documents(first_row, batch.rows, batch.columns),
                         closing_tokens(source));
}

void DocumentSeparation::check(const TokenSource& source) const {
  if (!closing_tokens(source).empty() || source.documents().value_or(1) > 1) return;
  usage_error(
      "{}: nothing says where documents end: the data are one file, and the tokenizer {} has no "
      "end token{}. A folder of files, records (.jsonl), or a --tokenizer with an end token says "
      "it",
      flag, source.tokenizer().name(),
      source.tokenizer().name() == "numbers" ? ", nor has the config an eos_token_id" : "");
}

std::optional<std::string> DocumentSeparation::no_end_in(const TokenSource& source) const {
  constexpr std::int64_t rows = 64, longest_row = 1024;
  const auto columns = std::min(longest_row, source.tokens().value_or(longest_row + 1) - 1);
  std::int64_t parts = 0;
  for (const auto& each : training(source, 0, 0, rows, columns)) parts += each.batch.rows;
  if (parts > rows) return std::nullopt;
  return fmt::format("{}: no document ends in the first {} rows of {} tokens", flag, rows, columns);
}

std::vector<std::int64_t> DocumentSeparation::closing_tokens(const TokenSource& source) const {
  if (const auto end = source.tokenizer().document_end()) return {*end};
  if (source.tokenizer().name() != "numbers") return {};
  return config_end_tokens_;
}

}  // namespace lookback
