// What the diagnosis says of sources that feed or score something else than their data.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "apps/data/batch_rows.h"
#include "apps/data/open.h"
#include "apps/data/uniform_source.h"
#include "apps/diagnosis/chance.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/thresholds.h"
#include "tests/apps/small_subject.h"

namespace lookback::tests {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

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

template <class Number>
std::string as_bytes(const std::vector<Number>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(Number)};
}

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

TEST_F(DiagnosisReadsBack, HealthySourcesAreFedAndScoredWhole) {
  for (const auto& [count, block_size] : std::vector<std::pair<int, std::int64_t>>{
           {3000, 1}, {3000, 3}, {3000, 37}, {20000, 32}, {760, 37}, {40, 1}, {700, 34}}) {
    EXPECT_EQ(faults_of(of_text(count, block_size)), "") << count << ", " << block_size;
  }
  for (const auto* name : {"stories", "uniform", "markov", "fixed"}) {
    for (const std::int64_t block_size : {1, 3, 37})
      EXPECT_EQ(faults_of(of_built_in(name, block_size)), "") << name << ", " << block_size;
  }
  auto one_word = of_built_in("uniform");
  const auto source = std::make_shared<UniformSource>(5, BuiltInPart::fresh, 1);
  one_word.data = {.training = source, .validation = source};
  EXPECT_EQ(faults_of(one_word), "");
}

TEST_F(DiagnosisReadsBack, ARunsOwnStepsAreRead) {
  auto subject = of_text(20000);
  subject.run.emplace();
  subject.options.block_size = 200;
  subject.options.max_steps = 100000;
  EXPECT_EQ(faults_of(subject), "");
  for (const auto& check : diagnosis_of(subject).checks) {
    if (check.name != "training rows inside of the training part") continue;
    EXPECT_THAT(check.evidence, HasSubstr("rows of 201 tokens"));
  }
}

TEST_F(DiagnosisReadsBack, RowsThatAreDrawnTwice) {
  const auto subject = of_text(20000);
  EXPECT_THAT(trained_on(subject, drawn_by(subject,
                                           [](RowNumbers row) {
                                             row.step = 0;
                                             return row;
                                           })),
              HasSubstr("120 of 120 rows are those of the step before: by chance 14 at most"));
  EXPECT_THAT(trained_on(subject, drawn_by(subject,
                                           [](RowNumbers row) {
                                             row.step /= 2;
                                             return row;
                                           })),
              HasSubstr("64 of 120 rows are those of the step before"));
  EXPECT_THAT(
      trained_on(subject, drawn_by(subject,
                                   [](RowNumbers row) {
                                     row.micro_step = 0;
                                     return row;
                                   })),
      HasSubstr("64 of 64 rows of the second micro-batch of a step are those of its first"));
  EXPECT_THAT(trained_on(subject, drawn_by(subject,
                                           [](RowNumbers row) {
                                             row.row = 0;
                                             return row;
                                           })),
              HasSubstr("96 of 96 rows of a batch are the row before"));
  // A text that is as long as a row has but one.
  auto one_row = subject;
  write_text(small_.path() / "row.txt", letters(2, 33));
  one_row.data = open_data({.data = small_.path() / "row.txt",
                            .validation_data = small_.path() / "text.txt",
                            .block_size = 32});
  EXPECT_EQ(faults_of(one_row), "");
}

TEST_F(DiagnosisReadsBack, StepsThatHangOnWhatWasDrawnBeforeOrOnTheirCut) {
  const auto subject = of_text(20000);
  auto draws = std::make_shared<std::int64_t>(0);
  EXPECT_THAT(trained_on(subject, drawn_by(subject,
                                           [=](RowNumbers row) {
                                             row.step = (*draws)++;
                                             return row;
                                           })),
              HasSubstr("the rows of step 15 are others when they are drawn once more"));
  EXPECT_THAT(trained_on(subject, drawn_by(subject,
                                           [](RowNumbers row) {
                                             row.rows = 1000;
                                             return row;
                                           })),
              HasSubstr("row 4 of a step of 8 is another one where the step has 1 micro-batches of "
                        "8 than where it has 2 of 4"));
}

TEST_F(DiagnosisReadsBack, PlacesThatAreNeverReached) {
  const auto subject = of_text(20000);
  const auto tokens = *subject.data.training->tokens();
  const auto all = drawn_by(subject, [](RowNumbers row) { return row; }).start;
  EXPECT_EQ(trained_on(subject, {.start = all}), "");
  const auto starts = [&](const std::function<std::int64_t(std::int64_t, std::int64_t)>& moved) {
    return trained_on(subject, {.start = [=](const RowNumbers& row) {
                        return moved(all(row), tokens - row.columns);
                      }});
  };
  EXPECT_THAT(
      starts([](auto start, auto places) { return start % (places / 2); }),
      MatchesRegex("tenths of the training data: 10000 rows over 10 classes of places have a "
                   "chi-square of [0-9.]+; 0 begin at tokens 9485 to 11381, where 1000 are "
                   "expected, and [0-9]+ begin at tokens .*\nends of .*\n"));
  EXPECT_THAT(starts([](auto start, auto) { return start / 32 * 32; }),
              HasSubstr("places of training rows by their remainder: 10000 rows over 64 classes"));
  EXPECT_THAT(starts([](auto start, auto) { return start / 2 * 2; }),
              HasSubstr("0 begin at places that divided by 64 leave "));
  EXPECT_THAT(starts([](auto start, auto places) { return std::min(start, places - 2); }),
              HasSubstr("none begins at token 7: the last token is never fed"));
  EXPECT_THAT(starts([](auto start, auto) { return std::max<std::int64_t>(start, 1); }),
              HasSubstr("none begins at token 0: the first token is never fed"));
}

TEST_F(DiagnosisReadsBack, RowsThatHangOnOneAnother) {
  const auto subject = of_text(20000);
  EXPECT_THAT(trained_on(subject, drawn_by(subject,
                                           [](RowNumbers row) {
                                             row.row = 0;
                                             return row;
                                           })),
              HasSubstr("distances from one row to the next: 9999 rows over 10 classes"));
  const auto places = *subject.data.training->tokens() - 32;
  const auto all = drawn_by(subject, [](RowNumbers row) { return row; }).start;
  const auto faults = trained_on(subject, {.start = [=](const RowNumbers& row) {
                                   const auto first = all({.row = row.row, .columns = row.columns});
                                   return (first + 100 * row.step + 7 * row.micro_step) % places;
                                 }});
  EXPECT_THAT(faults, HasSubstr("distances from one step to the next: 9992 rows over 10 classes"));
  EXPECT_THAT(faults, HasSubstr("and 9992 begin 0 to 1896 tokens behind it"));
}

TEST_F(DiagnosisReadsBack, RowsThatAreShiftsOfOneAnother) {
  for (const auto* name : {"uniform", "markov"}) {
    EXPECT_THAT(
        trained_on(of_built_in(name, 96), {.shifted_rows = true}),
        ContainsRegex("spans that rows of a step share: row [0-9] from position .* share 9[0-9] "
                      "tokens, whose surprise is [0-9.]+ nats: by chance 3[0-9.]+ at "
                      "most\n"))
        << name;
  }
}

TEST_F(DiagnosisReadsBack, TokensThatAreSaidToBeEvenAndAreNot) {
  const auto never = [](std::int64_t token, std::int64_t instead) {
    return [=](TokenBatch& batch) {
      std::ranges::replace(batch.inputs, token, instead);
      std::ranges::replace(batch.targets, token, instead);
    };
  };
  EXPECT_THAT(trained_on(of_built_in("uniform"), {.fed = never(255, 0)}),
              MatchesRegex("tokens of training data: 1[0-9]+ tokens that cost 5.545 nats each, in "
                           "256 classes, have a chi-square of [0-9.]+; 0 are one of 255 to 255, "
                           "where 771 are expected\n"));
  EXPECT_THAT(trained_on(of_built_in("uniform"), {.fed = never(7, 256)}),
              HasSubstr("tokens of training data: token 256 is drawn, of 256"));
  auto many_words = of_built_in("uniform");
  const auto source = std::make_shared<UniformSource>(5, BuiltInPart::fresh, 500);
  many_words.data = {.training = source, .validation = source};
  EXPECT_EQ(faults_of(many_words), "");
}

TEST_F(DiagnosisReadsBack, TokensThatAreNotThoseOfTheirPlace) {
  const auto subject = of_text(20000);
  EXPECT_THAT(
      trained_on(subject, {.fed = [](TokenBatch& batch) { batch.inputs[5] += 1; }}),
      MatchesRegex("targets of training rows: row 0, position 4: the target is token [0-9]+, "
                   "and the next input [0-9]+\ntokens of training rows: step 0, "
                   "micro-batch 0, row 0: position 5 is token [0-9]+, and at place [0-9]+ "
                   "of the training data stands [0-9]+\n"));
}

TEST_F(DiagnosisReadsBack, ASeedThatChangesNothing) {
  EXPECT_THAT(trained_on(of_text(20000), {.another_seed = false}),
              HasSubstr("128 of 128 rows of another seed are those of this one"));
  EXPECT_THAT(trained_on(of_built_in("stories"), {.another_seed = false}),
              HasSubstr("128 of 128 rows of another seed are those of this one"));
}

TEST_F(DiagnosisReadsBack, TokensThatAreNotThoseOfTheirFile) {
  EXPECT_THAT(trained_on(of_text(20000), {.moved = 1}),
              MatchesRegex("tokens of training rows: .*tokens for training against the bytes of "
                           "their files: token 0 of .*text.txt is read as [0-9]+, and in the file "
                           "stands [0-9]+\n"));
  // Two files, of two bytes a token and with a header in front of four.
  const std::string header = as_bytes<std::int32_t>({20240801, 7, 400});
  write_text(small_.path() / "a.bin",
             as_bytes<std::uint32_t>(std::vector<std::uint32_t>(256, 0)).replace(0, 12, header) +
                 as_bytes<std::uint32_t>(std::vector<std::uint32_t>(400, 7)));
  write_text(small_.path() / "b.bin", as_bytes(std::vector<std::uint16_t>(900, 5)));
  auto subject = small_.subject("llama");
  subject.data = open_data({.data = small_.path() / "*.bin", .block_size = 32});
  std::vector<std::string> said;
  for (const auto& check : diagnosis_of(subject).checks) {
    if (check.name.find("the bytes of their files") != check.name.npos)
      said.push_back(check.evidence);
  }
  EXPECT_THAT(said,
              ::testing::ElementsAre("256 tokens at both ends of 2 files are what lies there",
                                     "128 tokens at both ends of 1 files are what lies there"));
}

TEST_F(DiagnosisReadsBack, ValidationThatScoresTokensTwiceOrNot) {
  const auto subject = of_text(20000);  // 1000 tokens for validation
  // Windows that overlap by a token, and that leave one out.
  const auto moved = [](std::int64_t by) {
    return Changes{.evaluated = [by](const TokenSource& source, std::int64_t first,
                                     std::int64_t rows, std::int64_t columns) {
      auto batch = source.evaluation_batch(first, rows, columns);
      for (std::int64_t row = 0; row < batch.rows; ++row) {
        const auto begin = (first + row) * (columns + by);
        const auto count = std::min(columns + 1, *source.tokens() - begin);
        if (count > 1) set_row(batch, row, *source.tokens_at(begin, count));
      }
      return batch;
    }};
  };
  EXPECT_THAT(
      validated_on(subject, moved(-1)),
      HasSubstr("row 1 of 7 tokens ought to score the tokens from 8 on; it scores the tokens "
                "from 7 on: 1 are scored twice"));
  EXPECT_THAT(validated_on(subject, moved(1)), HasSubstr("from 9 on: 1 are left out"));
  // One that ends with the last whole row.
  EXPECT_THAT(
      validated_on(subject, {.evaluated =
                                 [](const auto& source, auto first, auto rows, auto columns) {
                                   auto batch = source.evaluation_batch(first, rows, columns);
                                   if (batch.targets.back() == ignored_target)
                                     std::ranges::fill(batch.targets, ignored_target);
                                   return batch;
                                 }}),
      HasSubstr(" scores 0 tokens, and "));
  // What is scored hangs on the size of a batch.
  EXPECT_THAT(
      validated_on(subject, {.evaluated =
                                 [](const auto& source, auto first, auto rows, auto columns) {
                                   auto batch = source.evaluation_batch(first, rows, columns);
                                   if (rows > 1) batch.targets[0] = ignored_target;
                                   return batch;
                                 }}),
      HasSubstr("the mean of an evaluation: 5 rows in batches of 2 cost "));
  const auto stories = of_built_in("stories");
  EXPECT_THAT(
      validated_on(stories, {.evaluated =
                                 [](const auto& source, auto first, auto rows, auto columns) {
                                   return source.evaluation_batch(first / 2, rows, columns);
                                 }}),
      HasSubstr("row 1 is another one alone than among 3"));
}

TEST_F(DiagnosisReadsBack, TokensOfAFileThatNobodyReads) {
  const auto subject = of_text(20000);
  const auto path = subject.data.training->file_parts().front().path;
  EXPECT_THAT(trained_on(subject, {.part = FilePart{path, 0, 18000, 20000}}),
              HasSubstr("tokens 18000 to 18999 of "));
  EXPECT_THAT(validated_on(subject, {.part = FilePart{path, 19000, 19900, 20000}}),
              HasSubstr("tokens 19900 to 19999 of "));
  // Shared tokens are contamination.
  EXPECT_THAT(validated_on(subject, {.part = FilePart{path, 18000, 20000, 20000}}),
              ::testing::Not(HasSubstr("in neither")));
}

TEST_F(DiagnosisReadsBack, MicroBatchesThatAreEqualAreWrongData) {
  const auto faults = faults_of(small_.subject("llama", "equal_micro_batches"));
  EXPECT_THAT(faults, HasSubstr("64 of 64 rows of the second micro-batch of a step are those of "
                                "its first: by chance 17 at most"));
}

TEST(Chance, BoundsGrowWithWhatIsExpected) {
  const double x = thresholds::nats_of_chance;
  EXPECT_NEAR(most_by_chance(0), 2 * x / 3, 1e-9);
  EXPECT_LT(most_by_chance(5000), 5000 + 7 * std::sqrt(5000.0));
  EXPECT_GT(most_by_chance(5000), 5000 + 6 * std::sqrt(5000.0));
  // Beyond the quantiles of one in a billion of a chi-square: 37 and 64.
  EXPECT_GT(chi_square_by_chance(1), 37);
  EXPECT_GT(chi_square_by_chance(9), 64);
  EXPECT_LT(chi_square_by_chance(9), 90);
}

}  // namespace
}  // namespace lookback::tests
