// SentencePiece models with what stands beside them: the ids that transformers gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/data/document_start.h"
#include "apps/data/tokenizer_file.h"
#include "runtime/check.h"
#include "runtime/read_file.h"
#include "tests/apps/no_sentencepiece.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;
using Tokens = std::vector<std::int64_t>;

class TokenizerFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(model_folder());
    put_model("bpe.model");
    if (const auto why = no_sentencepiece(model())) GTEST_SKIP() << *why;
  }

  static fs::path golden(const std::string& name) {
    return source_directory() / "tests/golden/tokenizers" / name;
  }
  fs::path model_folder() const { return folder_.path() / "model"; }
  std::string model() const { return (model_folder() / "tokenizer.model").string(); }
  void put_model(const std::string& name) const {
    fs::copy_file(golden(name), model(), fs::copy_options::overwrite_existing);
  }
  void put(const std::string& name, const Json& content) const {
    write_text(model_folder() / name, content.dump());
  }
  void clear() const {
    fs::remove_all(model_folder());
    fs::create_directory(model_folder());
  }
  std::string error() const {
    try {
      read_tokenizer(model());
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  static Json decoder_entry(const std::string& content) {
    return {{"content", content},  {"lstrip", false},      {"rstrip", false},
            {"normalized", false}, {"single_word", false}, {"special", true}};
  }

  TemporaryDirectory folder_;
};

TEST_F(TokenizerFolder, GivesTheIdsOfTransformers) {
  const auto reference = Json::parse(read_file(golden("expected-folders.json"), "test"));
  const auto& texts = reference.at("texts");
  for (const auto& entry : reference.at("folders")) {
    clear();
    put_model(entry.at("model").get<std::string>());
    for (const auto& [name, content] : entry.at("files").items()) put(name, content);
    const auto tokenizer = read_tokenizer(model());
    const auto what = entry.at("model").dump() + " " + entry.at("files").dump();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(tokenizer->encode(texts.at(i).get<std::string>()),
                entry.at("ids").at(i).get<Tokens>())
          << what << ": " << texts.at(i);
    }
    const auto first = tokens_in_front(*tokenizer, AddBos::automatic, TextKind::prompt);
    EXPECT_EQ(first, entry.at("first").is_null() ? Tokens{}
                                                 : Tokens{entry.at("first").get<std::int64_t>()})
        << what;
    // Where its slow tokenizer gives others, that is said.
    EXPECT_TRUE(entry.at("slow").empty() || !tokenizer->notes().empty() ||
                entry.at("files").contains("special_tokens_map.json"))
        << what;
  }
}

// Also by itself, as the library's own class reads it.
TEST_F(TokenizerFolder, ControlSymbolsAreFoundInAText) {
  const auto tokenizer = read_tokenizer(model());
  const auto before = tokenizer->encode("one"), behind = tokenizer->encode("two");
  auto expected = before;
  expected.push_back(2);
  expected.insert(expected.end(), behind.begin(), behind.end());
  EXPECT_EQ(tokenizer->encode("one</s>two"), expected);
  EXPECT_EQ(tokenizer->decode(expected), "one</s> two");
  EXPECT_THAT(tokenizer->notes(), IsEmpty());
}

TEST_F(TokenizerFolder, AddedTokensReadAsTheyStand) {
  put("tokenizer_config.json", {{"tokenizer_class", "LlamaTokenizer"},
                                {"eos_token", "<|end|>"},
                                {"added_tokens_decoder", {{"420", decoder_entry("<|end|>")}}}});
  const auto tokenizer = read_tokenizer(model());
  EXPECT_EQ(tokenizer->vocabulary_size(), 421);
  EXPECT_EQ(tokenizer->document_end(), 420);
  EXPECT_EQ(tokenizer->text_of(420), "<|end|>");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("First<|end|>")), "First<|end|>");
  EXPECT_THROW(tokenizer->decode(Tokens{421}), Error);
}

TEST_F(TokenizerFolder, WrongIdsAreRefusedInOneLine) {
  const auto config = [&](const Json& decoder) {
    put("tokenizer_config.json",
        {{"tokenizer_class", "LlamaTokenizer"}, {"added_tokens_decoder", decoder}});
    return error();
  };
  EXPECT_THAT(
      config({{"425", decoder_entry("<x>")}}),
      HasSubstr(R"("<x>" has the id 425, which is behind a gap in the model: 420 is the next)"));
  EXPECT_THAT(config({{"7", decoder_entry("<x>")}}), HasSubstr("420 is the next"));
  EXPECT_THAT(config({{"5", decoder_entry("<s>")}}),
              HasSubstr(R"("<s>" has the id 5, in the model 1: both must be the same)"));
  EXPECT_THAT(config({{"420", decoder_entry("<x>")}, {"421", decoder_entry("<x>")}}),
              HasSubstr(R"("<x>" has the ids 420 and 421: it must stand there once)"));
  EXPECT_THAT(config({{"x", decoder_entry("<x>")}}),
              HasSubstr("must stand under a token's number"));
  EXPECT_THAT(config({{"420", {{"special", true}}}}), HasSubstr("has no \"content\""));
  fs::remove(model_folder() / "tokenizer_config.json");
  put("added_tokens.json", {{"<x>", 420}, {"<y>", 420}});
  EXPECT_THAT(error(), HasSubstr(R"("<x>" and "<y>" both have the id 420)"));
  write_text(model_folder() / "added_tokens.json", R"({"<x>": 420, "<x>": 421})");
  EXPECT_THAT(error(), HasSubstr("added_tokens.json"));
  put("added_tokens.json", {{"<x>", "420"}});
  EXPECT_THAT(error(), HasSubstr("must be a token's number"));
  put("added_tokens.json", Json::array());
  EXPECT_THAT(error(), HasSubstr("must be an object"));
}

TEST_F(TokenizerFolder, TokenizerJsonComesFirst) {
  EXPECT_EQ(tokenizer_in(model_folder()), model());
  const auto json = model_folder() / "tokenizer.json";
  write_text(json, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n");
  testing::internal::CaptureStderr();
  EXPECT_EQ(tokenizer_in(model_folder()), model());
  EXPECT_EQ(tokenizer_in(model_folder()), model());
  const auto said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, testing::AllOf(HasSubstr("tokenizer.json: is a Git LFS pointer"),
                                   HasSubstr("tokenizer.model is read in its place")));
  EXPECT_EQ(std::ranges::count(said, '\n'), 1) << "said once";
  fs::copy_file(golden("gpt2.json"), json, fs::copy_options::overwrite_existing);
  EXPECT_EQ(tokenizer_in(model_folder()), json.string());
  write_text(model(), "IQ== 0\nIg== 1\nIw== 2\n");
  EXPECT_EQ(tokenizer_in(model_folder()), json.string());
  EXPECT_THAT(error(), HasSubstr("is a vocabulary of tiktoken"));
}

TEST_F(TokenizerFolder, WhatIsWrittenIsReadAsItWas) {
  const std::string text = "one </s> two   three\n<|user|> naïve";
  for (const auto* name : {"bpe.model", "user.model", "unigram.model"}) {
    clear();
    put_model(name);
    const auto copy = folder_.path() / name;
    fs::create_directory(copy);
    write_tokenizer(model(), copy);
    EXPECT_EQ(read_tokenizer((copy / "tokenizer.model").string())->encode(text),
              read_tokenizer(model())->encode(text))
        << name;
  }
}

TEST_F(TokenizerFolder, TheFirstTokenFollowsTheFiles) {
  const auto first = [](const fs::path& file, AddBos choice, TextKind kind) {
    return tokens_in_front(*read_tokenizer(file.string()), choice, kind);
  };
  // A bare file speaks of none; yes takes the model's own.
  EXPECT_EQ(first(model(), AddBos::automatic, TextKind::prompt), Tokens{});
  EXPECT_EQ(first(model(), AddBos::yes, TextKind::prompt), Tokens{1});
  put("tokenizer_config.json", {{"tokenizer_class", "LlamaTokenizer"}});
  EXPECT_EQ(first(model(), AddBos::automatic, TextKind::prompt), Tokens{1});
  EXPECT_EQ(first(model(), AddBos::automatic, TextKind::data), Tokens{});
  EXPECT_EQ(first(model(), AddBos::no, TextKind::prompt), Tokens{});
  EXPECT_EQ(first(model(), AddBos::yes, TextKind::data), Tokens{1});

  // A template, by itself and in a Sequence, as Llama 3 has it.
  clear();
  const auto json = model_folder() / "tokenizer.json";
  auto file = Json::parse(read_file(golden("llama3.json"), "test"));
  const auto begin = read_tokenizer(golden("llama3.json").string())->encode("<|begin_of_text|>");
  ASSERT_EQ(begin.size(), 1u);
  const Json processor{
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "<|begin_of_text|>"}, {"type_id", 0}}}},
        {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"special_tokens", {{"<|begin_of_text|>", {{"id", "<|begin_of_text|>"}, {"ids", begin}}}}}};
  const Json byte_level{{"type", "ByteLevel"}, {"trim_offsets", true}};
  for (const auto& post : {processor, Json{{"type", "Sequence"},
                                           {"processors", Json::array({byte_level, processor})}}}) {
    file["post_processor"] = post;
    write_text(json, file.dump());
    EXPECT_EQ(first(json, AddBos::automatic, TextKind::prompt), begin);
    EXPECT_EQ(first(json, AddBos::automatic, TextKind::data), Tokens{});
  }
  file["post_processor"] = byte_level;
  write_text(json, file.dump());
  EXPECT_EQ(first(json, AddBos::automatic, TextKind::prompt), Tokens{});
  EXPECT_THROW(first(json, AddBos::yes, TextKind::prompt), Error);
  put("tokenizer_config.json", {{"bos_token", "<|begin_of_text|>"}});
  EXPECT_EQ(first(json, AddBos::automatic, TextKind::prompt), Tokens{});
  EXPECT_EQ(first(json, AddBos::yes, TextKind::prompt), begin);
}

}  // namespace
}  // namespace lookback::tests
