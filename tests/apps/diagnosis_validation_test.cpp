// What the diagnosis says of files that are read otherwise than they lie, and of validation that
// scores something else than its data.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/apps/changed_source.h"

namespace lookback::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

template <class Number>
std::string as_bytes(const std::vector<Number>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(Number)};
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

}  // namespace
}  // namespace lookback::tests
