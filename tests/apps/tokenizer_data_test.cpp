// Text and .bin in the words of a tokenizer's file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <numeric>

#include "apps/cli/exit_code.h"
#include "apps/data/open.h"
#include "apps/data/token_array.h"
#include "apps/data/tokenizer_file.h"
#include "tests/paths.h"

namespace lookback {
namespace {

using ::testing::HasSubstr;

using Tokens = std::vector<std::int64_t>;

class TokenizerData : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  std::string write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream{path(name), std::ios::binary} << bytes;
    return path(name);
  }

  std::string write_bin(const std::string& name, const std::vector<std::uint16_t>& tokens) const {
    return write(name, {reinterpret_cast<const char*>(tokens.data()), 2 * tokens.size()});
  }

  Tokens encode(const std::string& text) const { return tokenizer_->encode(text); }

  // A text of so many bytes.
  static std::string words(std::size_t bytes) {
    std::string text;
    for (int i = 0; text.size() < bytes; ++i) text += "the word " + std::to_string(i * i) + ";\n";
    return text.substr(0, bytes);
  }

  // All that evaluation goes through, in one row.
  static Tokens tokens_of(const TokenSource& source) {
    const auto count = *source.tokens();
    const auto batch = source.evaluation_batch(0, 1, count - 1);
    auto tokens = batch.inputs;
    tokens.push_back(batch.targets.back());
    return tokens;
  }

  tests::TemporaryDirectory folder_;
  std::string file_ = (tests::source_directory() / "tests/golden/tokenizers/gpt2.json").string();
  std::shared_ptr<const Tokenizer> tokenizer_ = read_tokenizer(file_);
};

template <class Raised, class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const Raised& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(TokenizerData, TextIsSplitAtItsBytesAndThenEncoded) {
  for (const std::size_t bytes : {200u, 1999u, 2000u}) {
    const auto text = words(bytes);
    const auto data =
        open_data({.data = write("text.txt", text), .tokenizer = file_, .block_size = 2});
    const auto middle = bytes * 95 / 100;
    EXPECT_EQ(tokens_of(*data.training), encode(text.substr(0, middle))) << bytes;
    EXPECT_EQ(tokens_of(*data.validation), encode(text.substr(middle))) << bytes;
    EXPECT_EQ(data.training->vocabulary_size(), tokenizer_->vocabulary_size());
    EXPECT_EQ(data.training->tokenizer().name(), file_);
  }
}

TEST_F(TokenizerData, NoCharacterIsCut) {
  // Byte 95 of 100 lies within the three bytes of a character.
  const std::string text = words(94) + "\xe2\x82\xac" + "abc";
  ASSERT_EQ(text.size(), 100u);
  const auto data =
      open_data({.data = write("text.txt", text), .tokenizer = file_, .block_size = 1});
  EXPECT_EQ(tokens_of(*data.training), encode(words(94)));
  EXPECT_EQ(tokens_of(*data.validation), encode("\xe2\x82\xac"
                                                "abc"));
  // As bytes it is.
  EXPECT_EQ(open_data({.data = path("text.txt"), .block_size = 1}).training->tokens(), 95);
}

TEST_F(TokenizerData, FilesAreEncodedOneByOne) {
  write("docs/a.txt", "the word");
  write("docs/b.txt", " of the king\n");
  write("docs/c.txt", words(60));
  const std::string spec = path("docs");
  auto expected = encode("the word");
  const auto first = std::ssize(expected);
  for (const auto& text : {std::string(" of the king\n"), words(60)}) {
    const auto more = encode(text);
    expected.insert(expected.end(), more.begin(), more.end());
  }
  const auto whole = open_evaluation({.data = spec, .tokenizer = file_}, Split::all);
  EXPECT_EQ(tokens_of(*whole), expected);

  const TokenArray array = TokenArray(files_of(spec)).encoded(*tokenizer_, TextCut::none);
  EXPECT_EQ(array.document_of(first - 1), 0);
  EXPECT_EQ(array.document_of(first), 1);
  EXPECT_EQ(array.document_name(1), path("docs/b.txt"));
  EXPECT_EQ(array.text_bytes(0, array.size()), 8 + 13 + 60);

  // 76 of 81 bytes are for training: the cut lies in the third file.
  const auto data = open_data({.data = spec, .tokenizer = file_, .block_size = 1});
  EXPECT_EQ(tokens_of(*data.validation), encode(words(60).substr(55)));
  EXPECT_EQ(*data.training->tokens(),
            first + std::ssize(encode(" of the king\n")) + std::ssize(encode(words(55))));
}

TEST_F(TokenizerData, ValidationDataOfItsOwnLeaveTheTextWhole) {
  const auto text = words(1000), other = words(300);
  const auto data = open_data({.data = write("a.txt", text),
                               .validation_data = write("b.txt", other),
                               .tokenizer = file_,
                               .block_size = 4});
  EXPECT_EQ(tokens_of(*data.training), encode(text));
  EXPECT_EQ(tokens_of(*data.validation), encode(other));
}

TEST_F(TokenizerData, ScoredBytesAreAllButTheFirstTokens) {
  const auto text = words(1000);
  const auto source =
      open_evaluation({.data = write("a.txt", text), .tokenizer = file_}, Split::all);
  const auto first = encode(text).front();
  const auto first_bytes = std::ssize(tokenizer_->decode({&first, 1}));
  EXPECT_GT(first_bytes, 1);
  EXPECT_EQ(source->scored_bytes(), 1000 - first_bytes);
}

TEST_F(TokenizerData, TheModelsOwnTokenizerIsForTextWithoutAnother) {
  const auto spec = write("a.txt", words(500));
  const DataOptions own{.data = spec, .model_tokenizer = file_, .block_size = 1};
  EXPECT_EQ(open_data(own).training->tokenizer().name(), file_);
  const DataOptions bytes{
      .data = spec, .tokenizer = "bytes", .model_tokenizer = file_, .block_size = 1};
  EXPECT_EQ(open_data(bytes).training->tokenizer().name(), "bytes");
  const DataOptions stories{.data = "builtin:stories", .model_tokenizer = file_, .block_size = 1};
  EXPECT_EQ(open_data(stories).training->tokenizer().name(), "stories");
}

TEST_F(TokenizerData, ABinTakesTheWordsOfATokenizer) {
  std::vector<std::uint16_t> tokens(200);
  std::iota(tokens.begin(), tokens.end(), std::uint16_t{0});
  const auto bin = write_bin("t.bin", tokens);
  const auto data = open_data({.data = bin, .tokenizer = file_, .block_size = 4});
  EXPECT_EQ(tokens_of(*data.validation),
            (Tokens{190, 191, 192, 193, 194, 195, 196, 197, 198, 199}));
  EXPECT_EQ(data.training->vocabulary_size(), tokenizer_->vocabulary_size());
  EXPECT_FALSE(data.training->scored_bytes());
  const Tokens some{5, 9};
  EXPECT_EQ(data.training->tokenizer().decode(some), tokenizer_->decode(some));

  tokens[7] = static_cast<std::uint16_t>(tokenizer_->vocabulary_size());
  const auto wrong = write_bin("wrong.bin", tokens);
  EXPECT_THAT(
      error_of<Error>([&] { open_data({.data = wrong, .tokenizer = file_, .block_size = 4}); }),
      HasSubstr("wrong.bin: token " + std::to_string(tokens[7]) + " at position 7"));
}

TEST_F(TokenizerData, RefusesWhatCannotBe) {
  const auto usage = [](const DataOptions& options) {
    return error_of<UnsuitableTokenizer>([&] { open_data(options); });
  };
  const auto text = write("a.txt", words(500)), bin = write_bin("t.bin", {1, 2, 3, 4});
  EXPECT_THAT(usage({.data = bin, .tokenizer = "bytes", .block_size = 1}),
              testing::StartsWith("bytes: " + bin + " uses the tokenizer numbers"));
  EXPECT_THAT(usage({.data = text, .tokenizer = "stories", .block_size = 1}),
              testing::StartsWith("stories: " + text + " uses the tokenizer bytes"));
  EXPECT_THAT(usage({.data = "builtin:stories", .tokenizer = file_, .block_size = 1}),
              HasSubstr("builtin:stories uses the tokenizer stories: must be that, or left out"));
  const auto error = [](const DataOptions& options) {
    return error_of<Error>([&] { open_data(options); });
  };
  EXPECT_THAT(error({.data = text, .tokenizer = path("absent.json"), .block_size = 1}),
              HasSubstr("absent.json: cannot be read"));
  EXPECT_THAT(
      error({.data = text, .tokenizer = file_, .block_size = 1, .vocabulary_size = 256}),
      HasSubstr("vocab_size must be at least " + std::to_string(tokenizer_->vocabulary_size())));
  EXPECT_THAT(error({.data = text, .tokenizer = file_, .block_size = 400}), HasSubstr("too few"));
}

}  // namespace
}  // namespace lookback
