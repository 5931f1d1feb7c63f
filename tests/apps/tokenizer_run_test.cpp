// Runs in the words of a tokenizer's file: what the folder keeps, and who reads it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "apps/data/tokenizer_file.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Json = nlohmann::json;
constexpr auto replaced = Json::error_handler_t::replace;

class TokenizerRun : public testing::Test {
 protected:
  TokenizerRun() {
    fs::copy(source_directory() / "tests/golden/tokenizers/gpt2.json", file());
    small_.model["vocab_size"] = read_tokenizer(file())->vocabulary_size();
    write_text(small_.config(), small_.model.dump());
  }

  std::string file() const { return small_.path() / "words.json"; }

  ProgramResult train(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"--tokenizer", file(), "--threads=1"});
    return small_.train(more);
  }

  static Json json_of(const std::vector<std::string>& arguments) {
    const auto result = run_lookback(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return Json::parse(result.out, nullptr, false);
  }

  SmallRun small_;
};

TEST_F(TokenizerRun, TheFolderKeepsTheTokenizerAndIsReadWithIt) {
  ASSERT_EQ(train().code, 0);
  const fs::path run = small_.run();
  EXPECT_EQ(read_text(run / "tokenizer.json"), read_text(file()));
  EXPECT_EQ(Json::parse(read_text(run / "tokenizer_config.json")).at("tokenizer_class"),
            "PreTrainedTokenizerFast");
  fs::remove(file());  // what follows has the folder's own

  const auto tokenizer = read_tokenizer(run / "tokenizer.json");
  const auto generated =
      json_of({"generate", run, "--prompt", "so it", "--max-new-tokens=5", "--json"});
  auto tokens = tokenizer->encode("so it");
  for (const auto& token : generated.at("tokens")) tokens.push_back(token);
  // JSON is UTF-8, which single tokens need not be.
  EXPECT_EQ(generated.at("text"),
            Json::parse(Json(tokenizer->decode(tokens)).dump(-1, ' ', false, replaced)));
  const auto looked = json_of(
      {"inspect", run, "--prompt", "so it goes", "--output-dir", small_.path() / "look", "--json"});
  EXPECT_EQ(looked.at("tokens"), Json(tokenizer->encode("so it goes")));

  // The last validation loss, exactly, from the folder and from its checkpoint.
  const auto loss = SmallRun::metrics(run).back().at("validation_loss");
  for (const auto& folder : {run, run / "checkpoint-6"}) {
    const auto evaluated = json_of({"eval", folder, "--threads=1", "--json"});
    EXPECT_EQ(evaluated.at("loss"), loss);
    const auto text = read_text(small_.text());
    const auto part = text.substr(text.size() * 95 / 100);
    const auto scored = tokenizer->encode(part);
    EXPECT_EQ(evaluated.at("tokens"), std::ssize(scored) - 1);
    const auto bytes = std::ssize(part) - std::ssize(tokenizer->decode({&scored.front(), 1}));
    EXPECT_DOUBLE_EQ(evaluated.at("bits_per_byte"), loss.get<double>() *
                                                        static_cast<double>(scored.size() - 1) /
                                                        std::log(2.0) / static_cast<double>(bytes));
  }
  // Another text, in the model's words, or in others where that is asked for.
  EXPECT_EQ(json_of({"eval", run, "--data", small_.text(), "--json"}).at("tokens"),
            std::ssize(tokenizer->encode(read_text(small_.text()))) - 1);
  EXPECT_EQ(
      json_of({"eval", run, "--data", small_.text(), "--tokenizer=bytes", "--json"}).at("tokens"),
      std::ssize(read_text(small_.text())) - 1);
}

TEST_F(TokenizerRun, GoesOnWithItsOwnTokenizer) {
  ASSERT_EQ(train({"--save-steps=3"}).code, 0);
  const fs::path run = small_.run();
  const auto whole = read_text(run / "model.safetensors");
  fs::remove_all(run / "checkpoint-6");
  fs::remove(file());
  const auto result = run_lookback({"train", "--resume", "--output-dir", run, "--quiet"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(read_text(run / "model.safetensors"), whole);
  expect_error(run_lookback({"train", "--resume", "--output-dir", run, "--tokenizer=bytes"}), 2,
               "--tokenizer bytes: the run has " + file());
}

TEST_F(TokenizerRun, WeightsBringTheirTokenizer) {
  ASSERT_EQ(train().code, 0);
  const auto second = small_.path() / "second";
  const auto result = small_.train({"--init-from", small_.run(), "--output-dir", second});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(read_text(second / "tokenizer.json"), read_text(file()));
}

TEST_F(TokenizerRun, ABuiltInConfigTakesTheTokenizersVocabulary) {
  ASSERT_EQ(train({"--config=smoke", "--max-steps=1", "--eval-batches=1"}).code, 0);
  EXPECT_EQ(Json::parse(read_text(fs::path(small_.run()) / "config.json")).at("vocab_size"),
            small_.model.at("vocab_size"));
}

// A run that is replaced takes its tokenizer along; a file that no run made stays.
TEST_F(TokenizerRun, AnotherRunsTokenizerIsNotLeftBehind) {
  const fs::path run = small_.run();
  fs::create_directory(run);
  write_text(run / "tokenizer.json", "mine");
  ASSERT_EQ(small_.train().code, 0);
  EXPECT_EQ(read_text(run / "tokenizer.json"), "mine");
  EXPECT_EQ(json_of({"generate", run, "--prompt", "so", "--max-new-tokens=1", "--json"})
                .at("tokens")
                .size(),
            1u);

  ASSERT_EQ(train({"--overwrite"}).code, 0);
  EXPECT_EQ(read_text(run / "tokenizer.json"), read_text(file()));
  ASSERT_EQ(small_.train({"--overwrite"}).code, 0);
  EXPECT_FALSE(fs::exists(run / "tokenizer.json"));
  EXPECT_FALSE(fs::exists(run / "tokenizer_config.json"));
}

TEST_F(TokenizerRun, TheConfigBesideTheFileComesAlong) {
  const std::string config = R"({"tokenizer_class": "GPT2TokenizerFast", "eos_token": "</s>"})";
  write_text(small_.path() / "tokenizer_config.json", config);
  ASSERT_EQ(train().code, 0);
  EXPECT_EQ(read_text(fs::path(small_.run()) / "tokenizer_config.json"), config);
}

TEST_F(TokenizerRun, AFileThatIsNoTokenizerLeavesTheRunThatIsThere) {
  ASSERT_EQ(train().code, 0);
  const auto before = read_text(fs::path(small_.run()) / "model.safetensors");
  write_text(file(), "{}");
  const auto result = train({"--overwrite"});
  expect_error(result, 1, "words.json");
  EXPECT_EQ(read_text(fs::path(small_.run()) / "model.safetensors"), before);
}

}  // namespace
}  // namespace lookback::tests
