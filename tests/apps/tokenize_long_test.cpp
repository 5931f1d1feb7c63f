// lookback tokenize of a text in several parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/data/text_parts.h"
#include "apps/data/token_array.h"
#include "apps/data/tokenizer_file.h"
#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class TokenizeLong : public testing::Test {
 protected:
  TokenizeLong() {
    std::string text;
    for (int i = 0; text.size() < text_part_bytes * 5 / 2; ++i)
      text += "So " + std::to_string(i % 9973) + " of the  words, and no end:\nwe go on.\n\n";
    write_text(text_, text);
  }

  ProgramResult tokenize(const ProgramOptions& options = {}) const {
    return run_lookback(
        {"tokenize", text_, "--tokenizer", tokenizer_, "--output", output_, "--json"}, options);
  }

  const TemporaryDirectory folder_{folder_in_memory()};
  const std::string tokenizer_ =
      (source_directory() / "tests/golden/tokenizers/gpt2.json").string();
  const std::string text_ = (folder_.path() / "text.txt").string();
  const std::string output_ = (folder_.path() / "tokens.bin").string();
};

TEST_F(TokenizeLong, WritesTheTokensOfTheWholeAndGoesOnBehindAPart) {
  const auto whole = tokenize();
  ASSERT_EQ(whole.code, 0) << whole.err;
  const auto written = read_text(output_), described = read_text(output_ + ".json");
  const auto expected = read_tokenizer(tokenizer_)->encode(read_text(text_));
  const TokenArray array({output_});
  std::vector<std::int64_t> tokens(static_cast<std::size_t>(array.size()));
  array.read(0, tokens);
  EXPECT_TRUE(tokens == expected);
  EXPECT_EQ(Json::parse(described).at("documents"), 1);

  fs::remove(output_);
  fs::remove(output_ + ".json");
  // A disk that is full while the second part or the third is written.
  const auto stopped = tokenize({.largest_file_bytes = written.size() * 3 / 4});
  EXPECT_EQ(stopped.code, 1);
  EXPECT_THAT(stopped.err, HasSubstr("has what was done before"));
  EXPECT_EQ(Json::parse(read_text(output_ + ".partial.json")).at("parts_done"), 1);
  const auto rest = tokenize();
  EXPECT_EQ(rest.code, 0);
  EXPECT_THAT(rest.err, HasSubstr("goes on behind the "));
  EXPECT_TRUE(read_text(output_) == written);
  EXPECT_EQ(read_text(output_ + ".json"), described);
}

}  // namespace
}  // namespace lookback::tests
