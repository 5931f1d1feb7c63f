// Sources that feed or score something else than their data, and what the diagnosis says of them.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/data/batch_rows.h"
#include "apps/data/open.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "tests/apps/small_subject.h"

namespace lookback::tests {

// What a training row is drawn by.
struct RowNumbers {
  std::int64_t step = 0, micro_step = 0, rows = 0, row = 0, columns = 0;
};

// A source with some of it changed: where a row of training begins, or what a row of validation is.
struct Changes {
  std::function<std::int64_t(const RowNumbers&)> start = {};
  std::function<TokenBatch(const TokenSource&, std::int64_t, std::int64_t, std::int64_t)>
      evaluated = {};
  std::function<void(TokenBatch&)> fed = {};
  std::int64_t moved = 0;     // tokens are read from so much further on
  bool another_seed = true;   // whether there are rows of one
  bool shifted_rows = false;  // each row is the first one from a later token on
  std::optional<FilePart> part = {};
};

class ChangedSource final : public TokenSource {
 public:
  ChangedSource(std::shared_ptr<const TokenSource> source, Changes changes)
      : source_(std::move(source)), changes_(std::move(changes)) {}

  const Tokenizer& tokenizer() const override { return source_->tokenizer(); }
  std::optional<std::int64_t> tokens() const override { return source_->tokens(); }
  std::optional<std::vector<std::int64_t>> training_starts(std::int64_t step,
                                                           std::int64_t micro_step,
                                                           std::int64_t rows,
                                                           std::int64_t columns) const override {
    if (!changes_.start) return source_->training_starts(step, micro_step, rows, columns);
    std::vector<std::int64_t> starts;
    for (std::int64_t row = 0; row < rows; ++row)
      starts.push_back(changes_.start({step, micro_step, rows, row, columns}));
    return starts;
  }
  TokenBatch training_batch(std::int64_t step, std::int64_t micro_step, std::int64_t rows,
                            std::int64_t columns) const override {
    auto batch = source_->training_batch(step, micro_step, rows, columns);
    if (changes_.shifted_rows) {
      const auto longer =
          source_->training_batch(step, 0, 1, columns + row_of_step(micro_step, rows, rows));
      for (std::int64_t row = 0; row < rows; ++row) {
        const auto first = row_of_step(micro_step, rows, row);
        set_row(batch, row, std::span(longer.inputs).subspan(first, columns + 1));
      }
    }
    if (changes_.start) {
      const auto starts = *training_starts(step, micro_step, rows, columns);
      for (std::int64_t row = 0; row < rows; ++row) {
        const auto start = starts[static_cast<std::size_t>(row)];
        set_row(batch, row, *source_->tokens_at(start, columns + 1));
      }
    }
    if (changes_.fed) changes_.fed(batch);
    return batch;
  }
  std::optional<std::vector<std::int64_t>> tokens_at(std::int64_t first,
                                                     std::int64_t count) const override {
    return source_->tokens_at((first + changes_.moved) % (*tokens() - count + 1), count);
  }
  std::shared_ptr<const TokenSource> drawn_from(std::uint64_t seed) const override {
    return changes_.another_seed ? source_->drawn_from(seed) : source_;
  }
  bool has_floor() const override { return source_->has_floor(); }
  std::vector<double> nats(const TokenBatch& batch) const override { return source_->nats(batch); }
  std::vector<FilePart> file_parts() const override {
    return changes_.part ? std::vector{*changes_.part} : source_->file_parts();
  }
  std::optional<std::int64_t> evaluation_rows(std::int64_t columns) const override {
    return source_->evaluation_rows(columns);
  }
  TokenBatch evaluation_batch(std::int64_t first_row, std::int64_t rows,
                              std::int64_t columns) const override {
    if (changes_.evaluated) return changes_.evaluated(*source_, first_row, rows, columns);
    return source_->evaluation_batch(first_row, rows, columns);
  }

 private:
  std::shared_ptr<const TokenSource> source_;
  Changes changes_;
};

class DiagnosisReadsBack : public ::testing::Test {
 protected:
  // A text of so many letters, in rows of so many.
  Subject of_text(int count, std::int64_t block_size = 32) const {
    write_text(small_.path() / "text.txt", letters(1, count));
    auto subject = small_.subject("llama");
    subject.block_size = block_size;
    subject.data = open_data(
        {.data = small_.path() / "text.txt", .block_size = block_size, .vocabulary_size = 512});
    return subject;
  }
  Subject of_built_in(const std::string& name, std::int64_t block_size = 32) const {
    auto subject = small_.subject("llama");
    subject.block_size = block_size;
    subject.data = open_data({.data = "builtin:" + name, .block_size = block_size});
    return subject;
  }

  static Diagnosis diagnosis_of(const Subject& subject) {
    Diagnosis diagnosis;
    for (const auto* check : {"data_read_back", "training_places", "shared_spans", "even_tokens",
                              "tokens_in_files", "validation_rows", "evaluation_mean"}) {
      DiagnosisChecks::make(check)->run(subject, diagnosis);
    }
    return diagnosis;
  }
  // All that is found to be wrong, a line each.
  static std::string faults_of(const Subject& subject) {
    std::string text;
    for (const auto& check : diagnosis_of(subject).checks) {
      if (check.result == CheckResult::Result::left_out) text += "left out ";
      if (check.finding || check.result == CheckResult::Result::left_out)
        text += check.name + ": " + check.evidence + "\n";
    }
    return text;
  }
  static std::string trained_on(Subject subject, Changes changes) {
    subject.data.training =
        std::make_shared<ChangedSource>(subject.data.training, std::move(changes));
    return faults_of(subject);
  }
  static std::string validated_on(Subject subject, Changes changes) {
    subject.data.validation =
        std::make_shared<ChangedSource>(subject.data.validation, std::move(changes));
    return faults_of(subject);
  }
  // Rows drawn from all places, by these numbers of theirs.
  static Changes drawn_by(const Subject& subject,
                          const std::function<RowNumbers(RowNumbers)>& numbers) {
    const auto tokens = *subject.data.training->tokens();
    return {.start = [=](const RowNumbers& row) {
      const auto [step, micro_step, rows, number, columns] = numbers(row);
      auto random = training_row_numbers(7, step, row_of_step(micro_step, rows, number));
      return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(tokens - columns)));
    }};
  }

  const SmallSubjects small_;
};

}  // namespace lookback::tests
