// What the diagnosis says of sources that feed or score something else than their data.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/data/uniform_source.h"
#include "apps/diagnosis/chance.h"
#include "apps/diagnosis/thresholds.h"
#include "tests/apps/changed_source.h"

namespace lookback::tests {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

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
