// What counts as training data in validation, and what does not: a form that all of a text has, a
// sentence that a small one says twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "apps/data/open.h"
#include "apps/data/tokenizer_file.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/diagnosis/token_spans.h"
#include "tests/apps/small_subject.h"

namespace lookback::tests {
namespace {

using ::testing::HasSubstr;

// Words by a formula, of which no eight come back.
class Words {
 public:
  explicit Words(int kind) : state_(static_cast<std::uint64_t>(kind) * 977 + 1) {}

  std::uint64_t below(std::uint64_t count) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return (state_ >> 33) % count;
  }
  std::string sentence() {
    static constexpr std::array<std::string_view, 24> words = {
        "a",     "river", "of",   "light",  "runs",  "behind", "the", "house",
        "where", "two",   "old",  "men",    "sell",  "bread",  "and", "who",
        "told",  "them",  "that", "nobody", "lives", "under",  "our", "bridge"};
    std::string text;
    const auto count = 7 + below(9);
    for (std::uint64_t i = 0; i < count; ++i)
      text += (i == 0 ? "" : " ") + std::string(words.at(below(words.size())));
    return text + ". ";
  }
  std::string text(std::size_t bytes) {
    std::string all;
    while (all.size() < bytes) all += sentence() + (below(5) == 0 ? "\n" : "");
    return all.substr(0, bytes);
  }

 private:
  std::uint64_t state_;
};

class Contaminated : public ::testing::Test {
 protected:
  // Of one text, cut by its length.
  Subject of_text(const std::string& text, const std::string& tokenizer = "") const {
    write_text(path("text.txt"), text);
    return opened({.data = path("text.txt"), .tokenizer = tokenizer});
  }
  Subject of_texts(const std::string& training, const std::string& validation,
                   const std::string& tokenizer = "") const {
    write_text(path("training.txt"), training);
    write_text(path("validation.txt"), validation);
    return opened({.data = path("training.txt"),
                   .validation_data = path("validation.txt"),
                   .tokenizer = tokenizer});
  }
  // The same in a .bin of a tokenizer's numbers.
  Subject of_bins(const std::string& training, const std::string& validation) const {
    write_bin("training.bin", training);
    write_bin("validation.bin", validation);
    return opened({.data = path("training.bin"), .validation_data = path("validation.bin")});
  }

  static CheckResult spans_of(const Subject& subject) { return result_of(subject, 1); }
  static CheckResult places_of(const Subject& subject) { return result_of(subject, 0); }

  std::string path(const std::string& name) const { return small_.path() / name; }
  // A third of it is copied.
  static std::string mixed(Words& words, const std::string& copied, std::size_t bytes) {
    std::string text;
    for (std::size_t at = 0; text.size() < bytes; at += 900)
      text += words.text(800) + "\n" + copied.substr(at % (copied.size() - 400), 400);
    return text;
  }

  const std::string gpt2_ = source_directory() / "tests/golden/tokenizers/gpt2.json";

 private:
  Subject opened(DataOptions options) const {
    auto subject = small_.subject("llama");
    options.block_size = 32;
    subject.data = open_data(options);
    return subject;
  }
  void write_bin(const std::string& name, const std::string& text) const {
    const auto tokens = read_tokenizer(gpt2_)->encode(text);
    const std::vector<std::uint16_t> narrow(tokens.begin(), tokens.end());
    std::ofstream(path(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(narrow.data()),
               static_cast<std::streamsize>(2 * narrow.size()));
  }
  static CheckResult result_of(const Subject& subject, std::size_t which) {
    Diagnosis diagnosis;
    DiagnosisChecks::make("contamination")->run(subject, diagnosis);
    return diagnosis.checks.at(which);
  }

  const SmallSubjects small_;
};

// Four hundred bytes that each line begins with, and some that are its own.
TEST_F(Contaminated, ConversationsWithOnePromptAreNot) {
  Words words(1);
  const auto prompt = Words(2).text(400);
  for (const std::size_t own : {60u, 300u}) {
    std::string text;
    for (int line = 0; line < 400; ++line)
      text += "system: " + prompt + "user: " + words.text(own / 3) +
              "assistant: " + words.text(own) + "\n";
    const auto found = spans_of(of_text(text));
    EXPECT_FALSE(found.finding) << own << ": " << found.evidence;
  }
}

TEST_F(Contaminated, LogsOfAServerAreNot) {
  Words words(3);
  std::string text;
  for (int line = 0; line < 4000; ++line) {
    text += fmt::format(
        "2024-03-{:02}T{:02}:{:02}:00Z INFO server.http request finished method=GET "
        "path=/api/v1/items/{} status=200 duration={}ms\n",
        1 + line / 1440, line / 60 % 24, line % 60, words.below(40), 3 + words.below(9));
  }
  const auto found = spans_of(of_text(text));
  EXPECT_FALSE(found.finding) << found.evidence;
}

TEST_F(Contaminated, SmallTextsThatSayASentenceTwiceAreNot) {
  Words words(4);
  const auto sentence = Words(5).text(240);
  for (const std::size_t bytes : {2000u, 4000u, 8000u}) {
    const auto text = words.text(bytes / 2) + sentence + words.text(bytes / 2 - 300) + sentence;
    const auto found = spans_of(of_text(text));
    EXPECT_FALSE(found.finding) << bytes << ": " << found.evidence;
  }
}

TEST_F(Contaminated, ParagraphsOfValidationInTrainingAre) {
  Words words(6);
  const auto validation = Words(7).text(20000);
  const auto training = mixed(words, validation, 60000);
  auto found = spans_of(of_texts(training, validation));
  EXPECT_EQ(found.finding, Verdict::contamination) << found.evidence;
  EXPECT_THAT(found.evidence, HasSubstr("of the spans of 200 tokens in validation"));
  // In the words of a tokenizer, as text and as numbers.
  found = spans_of(of_texts(training, validation, gpt2_));
  EXPECT_EQ(found.finding, Verdict::contamination) << found.evidence;
  found = spans_of(of_bins(training, validation));
  EXPECT_EQ(found.finding, Verdict::contamination) << found.evidence;
  EXPECT_THAT(found.evidence, HasSubstr("of the spans of 50 tokens in validation"));
  // Others of the same words are not.
  found = spans_of(of_texts(words.text(60000), validation));
  EXPECT_EQ(found.value, 0) << found.evidence;
}

TEST_F(Contaminated, HalfOfASmallValidationIs) {
  const auto training = Words(8).text(30000);
  for (const std::size_t half : {400u, 2000u}) {
    const auto validation = Words(9).text(half) + training.substr(500, half);
    const auto found = spans_of(of_texts(training, validation));
    EXPECT_EQ(found.finding, Verdict::contamination) << half << ": " << found.evidence;
  }
}

// All of training stands there eight times: what stands there so often is no form.
TEST_F(Contaminated, ACorpusThatWasJoinedToItselfIs) {
  const auto once = Words(10).text(20000);
  std::string training;
  for (int times = 0; times < 8; ++times) training += once;
  const auto found = spans_of(of_texts(training, once.substr(3000, 4000)));
  EXPECT_EQ(found.finding, Verdict::contamination) << found.evidence;
  EXPECT_THAT(found.evidence, HasSubstr("there 40 times at most"));
}

TEST_F(Contaminated, PlacesThatAreInBothPartsAre) {
  const auto text = Words(11).text(20000);
  auto subject = of_text(text);
  EXPECT_EQ(places_of(subject).result, CheckResult::Result::passed);
  subject.data.training = open_evaluation({.data = path("text.txt")}, Split::all);
  const auto found = places_of(subject);
  EXPECT_EQ(found.finding, Verdict::contamination);
  EXPECT_THAT(found.evidence, HasSubstr("tokens 19000 to 19999 of "));
  // By another name, and in a tokenizer's words.
  const auto other =
      path("../" + std::filesystem::path(path("")).parent_path().filename().string() + "/text.txt");
  subject = of_text(text);
  subject.data.validation = open_evaluation({.data = other}, Split::all);
  EXPECT_EQ(places_of(subject).finding, Verdict::contamination);
  EXPECT_EQ(places_of(of_text(text, gpt2_)).result, CheckResult::Result::passed);
}

TEST(TokenSpans, CountHowOftenASpanStands) {
  TokenSpans spans(2);
  spans.add({1, 2, 3, -1, 1, 2, 9, -1, 1, 2});
  EXPECT_EQ(spans.rare(), 1);
  EXPECT_EQ(spans.look_up({1, 2, 3, 7}, 9).found, 2);
  EXPECT_EQ(spans.look_up({1, 2, 3, 7}, 9).apart, 1);
  EXPECT_EQ(spans.look_up({1, 2, 3, 7}, 2).found, 1);
  EXPECT_EQ(spans.look_up({1, 2, 1, 2}, 9).apart, 2);
  EXPECT_EQ(spans.look_up({1, 2, 1, 2}, 9).spans, 3);
}

}  // namespace
}  // namespace lookback::tests
