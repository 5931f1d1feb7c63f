// Runs in the words of a SentencePiece model with added tokens, and what --add-bos makes of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/data/tokenizer_file.h"
#include "tests/apps/no_sentencepiece.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;
using Tokens = std::vector<std::int64_t>;

class FirstTokenRun : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(words());
    fs::copy(source_directory() / "tests/golden/tokenizers/bpe.model", file());
    if (const auto why = no_sentencepiece(file())) GTEST_SKIP() << *why;
    put("tokenizer_config.json", {{"tokenizer_class", "LlamaTokenizer"},
                                  {"add_bos_token", true},
                                  {"chat_template", "{{ messages }}"}});
    put("added_tokens.json", {{"<|end|>", 420}});
    put("special_tokens_map.json", {{"bos_token", "<s>"}, {"eos_token", "<|end|>"}});
    small_.model["vocab_size"] = 421;
    write_text(small_.config(), small_.model.dump());
  }

  fs::path words() const { return small_.path() / "words"; }
  std::string file() const { return words() / "tokenizer.model"; }
  void put(const std::string& name, const Json& content) const {
    write_text(words() / name, content.dump());
  }
  ProgramResult train(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"--tokenizer", file(), "--threads=1"});
    return small_.train(more);
  }
  static Json json_of(const std::vector<std::string>& arguments) {
    const auto result = run_lookback(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return Json::parse(result.out, nullptr, false);
  }
  Json shown(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"inspect",      small_.run(), "--prompt", "so it<|end|>",
                                          "--output-dir", look(),       "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json_of(arguments).at("tokens");
  }
  std::string look() const { return small_.path() / "look"; }

  SmallRun small_;
};

TEST_F(FirstTokenRun, TheFolderKeepsWhatStandsBesideTheTokenizer) {
  ASSERT_EQ(train().code, 0);
  const fs::path run = small_.run();
  for (const auto* name :
       {"tokenizer.model", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"})
    EXPECT_EQ(read_text(run / name), read_text(words() / name)) << name;
  fs::remove_all(words());
  // No first token: training had none.
  const auto tokens = shown();
  EXPECT_EQ(tokens, Json(read_tokenizer(run / "tokenizer.model")->encode("so it<|end|>")));
  EXPECT_EQ(tokens.back(), 420);
  EXPECT_EQ(shown({"--add-bos", "yes"}).at(0), 1);
  // A file of them that is exchanged is noticed.
  write_text(run / "added_tokens.json", R"({"<|fin|>": 420})");
  const auto result = run_lookback({"generate", run, "--prompt", "so", "--max-new-tokens=1"});
  expect_error(result, 1, "added_tokens.json");
}

TEST_F(FirstTokenRun, ARunWithFirstTokensIsEvaluatedAndPromptedWithThem) {
  write_text(small_.path() / "r.jsonl", [] {
    std::string lines;
    for (int i = 0; i < 200; ++i) lines += "{\"text\": \"so " + std::to_string(i) + " it goes\"}\n";
    return lines;
  }());
  const auto data = (small_.path() / "r.jsonl").string();
  ASSERT_EQ(train({"--data", data, "--add-bos", "yes"}).code, 0);
  const fs::path run = small_.run();
  EXPECT_THAT(read_text(run / "options.toml"), HasSubstr("bos = \"yes\""));
  const auto loss = SmallRun::metrics(run).back().at("validation_loss");
  EXPECT_EQ(json_of({"eval", run, "--threads=1", "--json"}).at("loss"), loss);
  EXPECT_NE(json_of({"eval", run, "--add-bos=no", "--threads=1", "--json"}).at("loss"), loss);
  // 200 first tokens more.
  const auto counted = [&](const char* choice) {
    return json_of({"eval", run, "--data", data, "--add-bos", choice, "--json"})
        .at("tokens")
        .get<int>();
  };
  EXPECT_EQ(counted("yes"), counted("no") + 200);
  EXPECT_EQ(shown().at(0), 1);
  EXPECT_NE(shown({"--add-bos=no"}).at(0), 1);
  // What is generated is shown without it.
  const auto text = json_of({"generate", run, "--prompt", "so it", "--max-new-tokens=1", "--json"})
                        .at("text")
                        .get<std::string>();
  EXPECT_TRUE(text.starts_with("so it")) << text;
}

TEST_F(FirstTokenRun, ItIsSaidWhatStandsInFront) {
  const auto trained =
      run_lookback({"train", "--config", small_.config(), "--data", small_.text(), "--tokenizer",
                    file(), "--output-dir", small_.run(), "--max-steps=1", "--block-size=16"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err,
              HasSubstr("<s> (1) does not stand in front of each document: --add-bos yes"));
  const fs::path run = small_.run();
  const auto generate = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"generate", run, "--prompt", "so", "--max-new-tokens=1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_lookback(arguments).err;
  };
  EXPECT_THAT(generate({}), HasSubstr("does not stand in front of the prompt"));
  EXPECT_THAT(generate({}), HasSubstr("has a chat template, which is not run"));
  EXPECT_THAT(generate({"--add-bos=no"}), Not(HasSubstr("in front of")));
  fs::remove(run / "options.toml");  // a model's folder that is no run
  EXPECT_THAT(generate({}), HasSubstr("<s> (1) stands in front of the prompt: --add-bos no"));
}

TEST_F(FirstTokenRun, WhatHasNoFirstTokenSaysSo) {
  expect_error(small_.train({"--add-bos=yes"}), 2, "--add-bos yes: the tokenizer bytes has no");
  expect_error(small_.train({"--data=builtin:stories", "--add-bos=yes", "--config=smoke"}), 1,
               "--add-bos goes with text");
}

}  // namespace
}  // namespace lookback::tests
