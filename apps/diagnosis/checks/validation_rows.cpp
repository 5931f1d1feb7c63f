// What validation scores, read back: every token of its part but the first, once, whatever the
// length of a row and the size of a batch; and no token of the files in neither part.
#include <algorithm>
#include <map>
#include <set>

#include "apps/diagnosis/chance.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/training_rows.h"

namespace lookback {
namespace {

// Of a text with more rows as many at its beginning, in its middle and at its end.
constexpr std::int64_t rows_read = 48;
constexpr std::int64_t rows_of_a_batch = 3;

// The text that rows are cut from, and where row `row` has its tokens in it.
struct CutText {
  const TokenSource& source;
  std::int64_t tokens = 0, columns = 0;

  std::int64_t rows() const { return (tokens - 1 + columns - 1) / columns; }
  std::int64_t begin(std::int64_t row) const { return row * columns; }
  std::int64_t scored(std::int64_t row) const { return std::min(columns, tokens - 1 - begin(row)); }
  // Nothing where they would lie outside of the text.
  std::vector<std::int64_t> at(std::int64_t first, std::int64_t count) const {
    if (first < 0 || first + count > tokens) return {};
    return *source.tokens_at(first, count);
  }
};

std::vector<std::int64_t> part_of(const std::vector<std::int64_t>& all, std::int64_t begin,
                                  std::int64_t count) {
  return {all.begin() + begin, all.begin() + begin + count};
}

// How the targets of a row that are not those they ought to be lie in the text.
std::string shift_of(const CutText& text, std::int64_t row,
                     const std::vector<std::int64_t>& targets) {
  const auto expected = text.begin(row) + 1;
  const auto count = std::min(text.scored(row), text.columns - 1);
  for (std::int64_t by = 1; count > 0 && by <= text.columns; ++by) {
    const auto scored = part_of(targets, 0, count);
    if (text.at(expected - by, count) == scored)
      return fmt::format("it scores the tokens from {} on: {} are scored twice", expected - by, by);
    if (text.at(expected + by, count) == scored)
      return fmt::format("it scores the tokens from {} on: {} are left out", expected + by, by);
  }
  return "its targets are not the tokens that stand there";
}

// What is wrong with a row; empty: nothing.
std::string fault_of(const CutText& text, std::int64_t row, const TokenBatch& batch,
                     std::int64_t in_batch) {
  const auto begin = text.begin(row), scored = text.scored(row);
  const auto offset = in_batch * text.columns;
  const auto targets = part_of(batch.targets, offset, text.columns);
  const auto counted = std::ssize(targets) - std::ranges::count(targets, ignored_target);
  const auto where = fmt::format("row {} of {} tokens", row, text.columns);
  if (counted != scored) {
    return fmt::format("{} scores {} tokens, and {} are left from token {} on", where, counted,
                       scored, begin + 1);
  }
  if (part_of(targets, 0, scored) != text.at(begin + 1, scored)) {
    return fmt::format("{} ought to score the tokens from {} on; {}", where, begin + 1,
                       shift_of(text, row, targets));
  }
  if (part_of(batch.inputs, offset, scored) != text.at(begin, scored)) {
    return fmt::format("{} is fed other tokens than those from {} on", where, begin);
  }
  return "";
}

// Rows [first, first + count) in one batch.
std::string fault_of_batch(const CutText& text, std::int64_t first, std::int64_t count) {
  const auto batch = text.source.evaluation_batch(first, count, text.columns);
  const auto expected = std::min(count, text.rows() - first);
  if (batch.rows != expected) {
    return fmt::format("of rows {} to {} there are {}, and {} came", first, first + count - 1,
                       expected, batch.rows);
  }
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    if (const auto fault = fault_of(text, first + row, batch, row); !fault.empty()) return fault;
  }
  return "";
}

// The first rows of the batches that are read.
std::set<std::int64_t> first_rows(std::int64_t rows) {
  std::set<std::int64_t> firsts;
  for (std::int64_t row = 0; row < std::min(rows, rows_read); row += rows_of_a_batch) {
    firsts.insert(row);
    firsts.insert(std::min(rows - 1, rows / 2 + row));
    firsts.insert(std::max<std::int64_t>(0, rows - 1 - row));
  }
  return firsts;
}

class ValidationRows final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::wrong_data; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const auto& source = *subject.data.validation;
    const auto tokens = source.tokens();
    if (tokens && source.tokens_at(0, 0)) {
      scored_once(source, *tokens, subject.block_size, diagnosis);
    } else {
      the_same_rows(source, subject.block_size, diagnosis);
    }
    whole_files(subject.data, diagnosis);
  }

 private:
  // Rows of the block size, of a length that leaves a shorter row behind, and few tokens.
  static void scored_once(const TokenSource& source, std::int64_t tokens, std::int64_t block_size,
                          Diagnosis& diagnosis) {
    const std::string name = "tokens that validation scores";
    if (tokens < 2) return diagnosis.not_applicable(name, "validation has no token to score");
    auto uneven = block_size + 1;
    while (uneven < tokens && (tokens - 1) % uneven == 0) ++uneven;
    for (const auto columns : std::set<std::int64_t>{block_size, uneven, 7}) {
      const CutText text{source, tokens, columns};
      const auto rows = source.evaluation_rows(columns).value_or(0);
      if (rows != text.rows()) {
        return diagnosis.failed(
            Verdict::wrong_data, name, static_cast<double>(rows), static_cast<double>(text.rows()),
            fmt::format("{} tokens are {} rows of {} tokens, and validation has {}", tokens,
                        text.rows(), columns, rows));
      }
      for (const auto first : first_rows(rows)) {
        const auto fault = fault_of_batch(text, first, rows_of_a_batch);
        if (fault.empty()) continue;
        return diagnosis.failed(Verdict::wrong_data, name, 1, 0, fault);
      }
    }
    diagnosis.compared(
        Verdict::wrong_data, name, "the tokens of the text", 0, 0,
        fmt::format(
            "each of {} tokens but the first is scored once, in rows of 7, {} and {} tokens",
            tokens, block_size, uneven));
  }

  // Of a source whose tokens have no places: rows are the same alone, and one is not the next.
  static void the_same_rows(const TokenSource& source, std::int64_t block_size,
                            Diagnosis& diagnosis) {
    constexpr std::int64_t most_rows = 32, telling_columns = 64;
    const std::string name = "rows that validation scores";
    const auto columns = std::max(block_size, telling_columns);
    const auto rows = std::min(most_rows, source.evaluation_rows(columns).value_or(most_rows));
    double repeated = 0;
    std::vector<std::int64_t> before;
    for (std::int64_t first = 0; first < rows; first += rows_of_a_batch) {
      const auto batch =
          source.evaluation_batch(first, std::min(rows_of_a_batch, rows - first), columns);
      for (std::int64_t row = 0; row < batch.rows; ++row) {
        auto now = row_of(batch, row);
        if (now != row_of(source.evaluation_batch(first + row, 1, columns), 0)) {
          return diagnosis.failed(
              Verdict::wrong_data, name, 1, 0,
              fmt::format("row {} is another one alone than among {}", first + row, batch.rows));
        }
        repeated += now == before ? 1 : 0;
        before = std::move(now);
      }
    }
    const double bound = most_by_chance(equal_rows_by_chance(source) * static_cast<double>(rows));
    const auto evidence = fmt::format("{:.0f} of {} rows are the row before", repeated, rows);
    if (repeated > bound) {
      diagnosis.failed(Verdict::wrong_data, name, repeated, bound,
                       evidence + ": they are scored twice");
    } else {
      diagnosis.passed(name, repeated, bound, evidence + ", and each is the same alone");
    }
  }

  // Where the parts meet or share files: what lies in neither is never read.
  static void whole_files(const TokenData& data, Diagnosis& diagnosis) {
    const std::string name = "tokens of the files that are in no part";
    std::map<std::string, std::vector<FilePart>> files;
    for (const auto* source : {data.training.get(), data.validation.get()}) {
      for (const auto& part : source->file_parts()) files[part.path].push_back(part);
    }
    if (files.empty()) return;
    std::int64_t all = 0;
    for (auto& [path, parts] : files) {
      std::ranges::sort(parts, {}, &FilePart::begin);
      std::int64_t read = 0;
      for (const auto& part : parts) {
        if (part.begin < read)
          return diagnosis.not_applicable(name, "training and validation share tokens");
        if (part.begin > read) return report_gap(name, path, read, part.begin, diagnosis);
        read = std::max(read, part.end);
      }
      if (read < parts.front().all)
        return report_gap(name, path, read, parts.front().all, diagnosis);
      all += read;
    }
    diagnosis.passed(
        name, 0, 0,
        fmt::format("all {} tokens of {} files are for training or validation", all, files.size()));
  }

  static void report_gap(const std::string& name, const std::string& path, std::int64_t begin,
                         std::int64_t end, Diagnosis& diagnosis) {
    diagnosis.failed(Verdict::wrong_data, name, static_cast<double>(end - begin), 0,
                     fmt::format("tokens {} to {} of {} are in neither training nor validation",
                                 begin, end - 1, path));
  }
};

const DiagnosisChecks::Add registered{"validation_rows",
                                      [] { return std::make_unique<ValidationRows>(); }};

}  // namespace
}  // namespace lookback
