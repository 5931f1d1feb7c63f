// What the diagnosis says of data: documents that run into each other, validation that was trained
// on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "apps/data/open.h"
#include "apps/data/uniform_source.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/thresholds.h"
#include "tests/apps/small_subject.h"
#include "tests/nn/variants.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// The last one of a check.
CheckResult result_of(const std::string& check, const Subject& subject) {
  Diagnosis diagnosis;
  DiagnosisChecks::make(check)->run(subject, diagnosis);
  return diagnosis.checks.at(diagnosis.checks.size() - 1);
}

// A file each, in a folder of its own.
class DiagnosisOfFolders : public ::testing::Test {
 protected:
  CheckResult joints(const std::vector<std::string>& texts) const {
    const auto folder = small_.path() / "texts";
    fs::remove_all(folder);
    fs::create_directories(folder);
    for (std::size_t i = 0; i < texts.size(); ++i)
      write_text(folder / fmt::format("{:03}.txt", i), texts[i]);
    auto subject = small_.subject("llama");
    subject.data = open_data({.data = folder, .block_size = 32, .vocabulary_size = 512});
    return joints_of(subject);
  }
  static CheckResult joints_of(const Subject& subject) {
    return result_of("joined_documents", subject);
  }

  // Letters, and what comes behind each text of them.
  static std::vector<std::string> texts(int count, int length, const std::string& end) {
    std::vector<std::string> all;
    for (int i = 0; i < count; ++i) all.push_back(letters(i, length) + end);
    return all;
  }

  const SmallSubjects small_;
};

TEST_F(DiagnosisOfFolders, TinyFilesWithNothingBetweenRunIntoEachOther) {
  for (const auto* end : {"", ".", "!"}) {
    const auto found = joints(texts(200, 40, end));
    EXPECT_EQ(found.finding, Verdict::misaligned_targets) << found.evidence;
    EXPECT_NEAR(found.value, 1.0 / (40 + (*end == 0 ? 0 : 1)), 0.003);
    EXPECT_THAT(found.evidence, ::testing::MatchesRegex(
                                    "[0-9]+ of 32768 targets begin another document with nothing "
                                    "between: \".\" of .*/[0-9]*.txt is asked for \"[a-z]\" of "
                                    ".*/[0-9]*.txt"));
  }
}

TEST_F(DiagnosisOfFolders, FilesThatAreSeparatedLongOrAloneDoNot) {
  auto lines = texts(200, 40, "\n");
  auto found = joints(lines);
  EXPECT_FALSE(found.finding) << found.evidence;
  EXPECT_EQ(found.value, 0);
  EXPECT_THAT(found.evidence, HasSubstr(" behind a separator"));
  lines[7].pop_back();  // one that lacks its last newline is no fault of the others
  found = joints(lines);
  EXPECT_FALSE(found.finding) << found.evidence;
  found = joints(texts(20, 1000, ""));
  EXPECT_FALSE(found.finding) << found.evidence;
  EXPECT_NEAR(found.value, 0.001, 0.0005);
  found = joints(texts(1, 3000, ""));
  EXPECT_EQ(found.evidence, "0 of 32768 targets begin another document with nothing between");
}

TEST_F(DiagnosisOfFolders, ShardsOfOneStreamDoNot) {
  for (int shard = 0; shard < 4; ++shard) {
    auto tokens = letters(shard, 2000);
    for (char& byte : tokens) byte -= 'a';  // letters would be text
    write_text(small_.path() / fmt::format("{}.bin", shard), tokens);
  }
  auto subject = small_.subject("llama");
  subject.data = open_data({.data = small_.path() / "*.bin", .block_size = 32});
  const auto found = joints_of(subject);
  EXPECT_FALSE(found.finding) << found.evidence;
  EXPECT_GT(found.value, 0);
}

TEST_F(DiagnosisOfFolders, StoriesDoOnceTheirEndsAreLeftOut) {
  auto found = joints_of(small_.subject("llama"));
  EXPECT_FALSE(found.finding) << found.evidence;
  EXPECT_THAT(found.evidence, HasSubstr("0 of 32768 targets"));
  found = joints_of(small_.subject("llama", "documents_without_separator"));
  EXPECT_EQ(found.finding, Verdict::misaligned_targets);
  EXPECT_GT(found.value, 2 * thresholds::unseparated_targets);
}

// Validation on rows of training in which every tenth token is another.
class AlteredTraining final : public TokenSource {
 public:
  explicit AlteredTraining(std::shared_ptr<const TokenSource> all) : source_(std::move(all)) {}
  const Tokenizer& tokenizer() const override { return source_->tokenizer(); }
  TokenBatch training_batch(std::int64_t step, std::int64_t micro_step, std::int64_t rows,
                            std::int64_t columns) const override {
    return source_->training_batch(step, micro_step, rows, columns);
  }
  std::shared_ptr<const TokenSource> fresh_draws(std::uint64_t seed) const override {
    return source_->fresh_draws(seed);
  }
  bool has_floor() const override { return source_->has_floor(); }
  std::vector<double> nats(const TokenBatch& batch) const override { return source_->nats(batch); }
  std::optional<std::int64_t> evaluation_rows(std::int64_t) const override { return std::nullopt; }
  TokenBatch evaluation_batch(std::int64_t first_row, std::int64_t,
                              std::int64_t columns) const override {
    auto batch = source_->training_batch(first_row, 0, 1, columns);
    for (std::size_t t = 9; t < batch.inputs.size(); t += 10) {
      batch.inputs[t] = (batch.inputs[t] + 1) % vocabulary_size();
      batch.targets[t - 1] = batch.inputs[t];
    }
    return batch;
  }

 private:
  std::shared_ptr<const TokenSource> source_;
};

class DiagnosisOfValidation : public ::testing::Test {
 protected:
  const lookback::testing::OneThread one_thread_;
  const SmallSubjects small_;
};

TEST_F(DiagnosisOfValidation, FallsWithTrainingWhereItIsTrainedOn) {
  auto found = result_of("contamination_probe", small_.subject("llama"));
  EXPECT_EQ(found.result, CheckResult::Result::passed) << found.evidence;
  EXPECT_LT(found.value, 3) << found.evidence;
  found = result_of("contamination_probe", small_.subject("llama", "validation_in_training"));
  EXPECT_EQ(found.finding, Verdict::contamination) << found.evidence;
  EXPECT_GT(found.value, 7) << found.evidence;
  EXPECT_THAT(found.evidence, HasSubstr("nats per token above its floor, fresh draws"));
}

TEST_F(DiagnosisOfValidation, AnAlteredCopySharesNoSpanAndIsFound) {
  auto subject = small_.subject("llama");
  const auto source = std::make_shared<UniformSource>(5, BuiltInPart::training);
  subject.data = {.training = source, .validation = std::make_shared<AlteredTraining>(source)};
  EXPECT_EQ(result_of("contamination", subject).value, 0);
  const auto found = result_of("contamination_probe", subject);
  EXPECT_EQ(found.finding, Verdict::contamination) << found.evidence;
}

TEST_F(DiagnosisOfValidation, NobodyCanDrawMoreOfAFile) {
  auto subject = small_.subject("llama");
  write_text(small_.path() / "text.txt", letters(1, 4000));
  subject.data =
      open_data({.data = small_.path() / "text.txt", .block_size = 32, .vocabulary_size = 512});
  const auto found = result_of("contamination_probe", subject);
  EXPECT_EQ(found.result, CheckResult::Result::not_applicable);
  EXPECT_THAT(found.evidence, HasSubstr("a file"));
}

}  // namespace
}  // namespace lookback::tests
