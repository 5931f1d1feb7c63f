// tokenizer.json files that cannot be read: each is one line that says what, where, and what would
// be right.
#include <cstdint>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/data/json_tokenizer.h"
#include "runtime/error.h"
#include "runtime/read_file.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

using nlohmann::json;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

json gpt2() {
  const auto path = source_directory() / "tests/golden/tokenizers/gpt2.json";
  return json::parse(read_file(path, "test"));
}

std::string error_of_text(const std::string& text) {
  try {
    parse_json_tokenizer(text, "t.json");
    return "none";
  } catch (const Error& error) {
    return error.what();
  }
}

// Of gpt2.json with one value put in a place, which may be new; null erases.
std::string error_of(const std::string& pointer, const json& value) {
  auto file = gpt2();
  file[json::json_pointer(pointer)] = value;
  const auto error = error_of_text(file.dump());
  EXPECT_THAT(error, Not(HasSubstr("\n")));
  return error;
}

json step(const std::string& type) { return {{"type", type}}; }

json split(const std::string& pattern) {
  return {{"type", "Sequence"},
          {"pretokenizers",
           {{{"type", "Split"},
             {"pattern", {{"Regex", pattern}}},
             {"behavior", "Isolated"},
             {"invert", false}},
            {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
}

TEST(JsonTokenizerRefusal, FilesThatAreNoJson) {
  EXPECT_THAT(error_of_text(""), StartsWith("[tokenizer] t.json: "));
  EXPECT_THAT(error_of_text("{\"model\": \n tru"), HasSubstr("line 2, column 5"));
  EXPECT_THAT(error_of_text(std::string(100'000, '[')), HasSubstr("inside each other"));
  EXPECT_THAT(error_of_text("[]"), EndsWith("t.json is a list of 0: must be an object, {...}"));
  EXPECT_THAT(error_of_text("{}"),
              EndsWith("t.json has no \"model\": BPE and Unigram can be read"));
  EXPECT_THAT(error_of_text("{\"a\": 1, \"a\": 2}"), HasSubstr("stands twice"));
  try {
    read_json_tokenizer("nowhere/tokenizer.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), StartsWith("[tokenizer] nowhere/tokenizer.json: cannot be read"));
  }
}

TEST(JsonTokenizerRefusal, OtherKindsOfTokenizers) {
  using Case = std::pair<std::string, json>;
  const std::vector<std::pair<Case, std::string>> cases = {
      {{"/model/type", "WordPiece"},
       "model.type is \"WordPiece\": BPE (byte-level, or with byte_fallback as SentencePiece's) "
       "and "
       "Unigram can be read"},
      {{"/model/type", "WordLevel"}, "model.type is \"WordLevel\": BPE (byte-level, or with"},
      {{"/model/type", "Unigram"},
       "model is an object: a Unigram model is read without ByteLevel in pre_tokenizer"},
      {{"/model/dropout", 0.1}, "model.dropout is 0.1: must be null or 0"},
      {{"/model/continuing_subword_prefix", "##"},
       "model.continuing_subword_prefix is \"##\": must be null or \"\""},
      {{"/model/end_of_word_suffix", "</w>"}, "model.end_of_word_suffix is \"</w>\": must be"},
      {{"/normalizer", step("BertNormalizer")},
       "normalizer.type is \"BertNormalizer\": NFC, NFD, NFKC, NFKD, Precompiled, Lowercase, "
       "StripAccents, Strip, Replace, Prepend, Sequence can be read"},
      {{"/normalizer", {{"type", "Sequence"}, {"normalizers", {step("NFC"), step("Nmt")}}}},
       "normalizer.normalizers[1].type is \"Nmt\": NFC"},
      {{"/pre_tokenizer", step("BertPreTokenizer")},
       "pre_tokenizer.type is \"BertPreTokenizer\": ByteLevel, Split, Digits, Metaspace, "
       "WhitespaceSplit, Sequence can be read"},
      {{"/pre_tokenizer",
        {{"type", "Sequence"},
         {"pretokenizers", {gpt2()["pre_tokenizer"], gpt2()["pre_tokenizer"]}}}},
       "pre_tokenizer.pretokenizers[1] is an object: ByteLevel must come last"},
      {{"/pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", json(100, split("a"))}}},
       "ByteLevel must come last"},
      {{"/decoder", step("WordPiece")},
       "decoder.type is \"WordPiece\": ByteLevel, Sequence can be"},
      {{"/decoder", step("Fuse")}, "decoder.type is \"Fuse\": ByteLevel, Sequence can be"}};
  for (const auto& [change, message] : cases) {
    EXPECT_THAT(error_of(change.first, change.second), StartsWith("[tokenizer] t.json"));
    EXPECT_THAT(error_of(change.first, change.second), HasSubstr(message));
  }
  const json digits = {{"type", "Digits"}, {"individual_digits", true}};
  EXPECT_THAT(
      error_of("/pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", json(100, digits)}}),
      HasSubstr("pre_tokenizer.pretokenizers[64] is an object: at most 64 steps"));
}

TEST(JsonTokenizerRefusal, VocabulariesAndMergesThatDoNotHoldTogether) {
  EXPECT_THAT(error_of("/model/vocab", 3), EndsWith("model.vocab is 3: must be an object, "
                                                    "{\"token\": number}"));
  EXPECT_THAT(error_of("/model/vocab/a", -1),
              EndsWith("model.vocab.a is -1: must be a token's number, 0 to 2147483647"));
  EXPECT_THAT(error_of("/model/vocab/a", 2'147'483'648), HasSubstr("a is 2147483648: must be"));
  EXPECT_THAT(error_of("/model/vocab/a", 1e300), HasSubstr("must be a token's number"));
  EXPECT_THAT(error_of("/model/vocab/a", 1.5), HasSubstr("must be a token's number"));
  EXPECT_THAT(error_of("/model/vocab/a", nullptr),
              HasSubstr("model.vocab has no \"a\": the token's number"));
  EXPECT_THAT(error_of("/model/vocab/a", 65),
              HasSubstr("\"a\" and \"b\" are both number 65: each needs its own"));
  EXPECT_THAT(error_of("/model/merges", "a b"), HasSubstr("must be a list"));
  EXPECT_THAT(error_of("/model/merges/3", "ab"),
              EndsWith(R"(model.merges[3] is "ab": must be two tokens, "a b" or ["a", "b"])"));
  EXPECT_THAT(error_of("/model/merges/3", "a b c"), HasSubstr("must be two tokens"));
  EXPECT_THAT(error_of("/model/merges/3", {"a"}), HasSubstr("must be two tokens"));
  EXPECT_THAT(error_of("/model/merges/3", {"a", 1}), HasSubstr("must be two tokens"));
  EXPECT_THAT(error_of("/model/merges/3", {"zz", "a"}),
              EndsWith("model.merges[3] is a list of 2: \"zz\" is not in model.vocab"));
  EXPECT_THAT(error_of("/model/merges/3", "z q"), HasSubstr("\"zq\" is not in model.vocab"));
  EXPECT_THAT(error_of("/model/ignore_merges", 1), HasSubstr("must be true or false"));
  EXPECT_EQ(error_of("/model/merges/3", "#version: 0.2"), "none");
  auto file = gpt2();
  file["model"]["unk_token"] = "a";
  file["model"]["fuse_unk"] = true;
  EXPECT_EQ(error_of_text(file.dump()), "none");  // every byte has its letter
  file["model"]["merges"] = json::array();
  file["model"]["vocab"].erase("z");
  file["added_tokens"] = json::array();
  EXPECT_THAT(error_of_text(file.dump()), HasSubstr("model.fuse_unk is true: must be false"));
  file["model"]["fuse_unk"] = false;
  file["model"]["byte_fallback"] = true;
  EXPECT_THAT(error_of_text(file.dump()), HasSubstr("model.byte_fallback is true: must be false"));
}

// A Unigram tokenizer of three tokens with one value put in a place.
std::string error_of_unigram(const std::string& pointer, const json& value) {
  auto file = json::parse(R"({"model": {"type": "Unigram", "unk_id": 0,
                              "vocab": [["<unk>", 0.0], ["a", -1.0], ["\u2581", -2.0]]}})");
  file[json::json_pointer(pointer)] = value;
  return error_of_text(file.dump());
}

TEST(JsonTokenizerRefusal, UnigramModels) {
  EXPECT_EQ(error_of_unigram("/model/unk_id", 2), "none");
  EXPECT_EQ(error_of_unigram("/model/type", nullptr), "none");
  EXPECT_THAT(error_of_unigram("/model/unk_id", 3),
              EndsWith("model.unk_id is 3: must be a token's number, 0 to 2"));
  EXPECT_THAT(error_of_unigram("/model/vocab", 3),
              HasSubstr(R"(model.vocab is 3: must be a list: a list of ["token", score])"));
  for (const json& entry : {json("a"), json({"a"}), json({"a", "b"}), json({1, 2})}) {
    EXPECT_THAT(error_of_unigram("/model/vocab/1", entry),
                HasSubstr(R"(must be ["token", score])"));
  }
  EXPECT_THAT(error_of_unigram("/decoder", step("ByteLevel")),
              EndsWith("Replace, ByteFallback, Fuse, Strip, Metaspace, Sequence can be read"));
}

TEST(JsonTokenizerRefusal, StepsForCharacters) {
  const auto metaspace = [](const json& keys) {
    json described = {{"type", "Metaspace"}, {"replacement", "\u2581"}};
    described.update(keys);
    return error_of_unigram("/pre_tokenizer", described);
  };
  EXPECT_EQ(metaspace({{"prepend_scheme", "first"}}), "none");
  EXPECT_THAT(metaspace({{"prepend_scheme", "last"}}),
              EndsWith("prepend_scheme is \"last\": always, first and never can be read"));
  EXPECT_THAT(metaspace({{"add_prefix_space", false}}),
              EndsWith("add_prefix_space is false: prepend_scheme must be \"never\" beside it"));
  EXPECT_THAT(metaspace({{"replacement", "ab"}}),
              EndsWith("replacement is \"ab\": must be one character"));
  const auto normalizer = [](const json& described) {
    return error_of_unigram("/normalizer", described);
  };
  EXPECT_THAT(normalizer({{"type", "Strip"}, {"strip_left", true}}),
              HasSubstr("normalizer has no \"strip_right\""));
  EXPECT_THAT(normalizer({{"type", "Replace"}, {"content", "a"}}),
              HasSubstr("normalizer has no \"pattern\": must be {\"Regex\""));
  EXPECT_THAT(normalizer({{"type", "Replace"}, {"content", "a"}, {"pattern", {{"Regex", "("}}}}),
              HasSubstr("normalizer.pattern.Regex is \"(\""));
  EXPECT_THAT(normalizer(step("Prepend")), HasSubstr("normalizer has no \"prepend\""));
  EXPECT_THAT(
      error_of_unigram("/decoder", {{"type", "Strip"}, {"content", ""}, {"start", 1}, {"stop", 0}}),
      EndsWith("decoder.content is \"\": must be one character"));
}

// "precompiled_charsmap": the trie's size, its units, the texts.
TEST(JsonTokenizerRefusal, TablesOfCharacters) {
  const auto of = [](const json& table) {
    return error_of_unigram("/normalizer",
                            {{"type", "Precompiled"}, {"precompiled_charsmap", table}});
  };
  for (const json& table :
       {json(""), json("AA"), json("!!!!!!!!"), json("AAAAAA=="), json("CAAAAAAAAAA="), json(3)}) {
    EXPECT_THAT(of(table), HasSubstr("normalizer.precompiled_charsmap is ")) << table;
  }
  // A trie of one unit, of which every byte leads outside.
  auto file = json::parse(R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0]]},
      "normalizer": {"type": "Precompiled", "precompiled_charsmap": "BAAAAAAAAAA="}})");
  const auto tokenizer = parse_json_tokenizer(file.dump(), "t.json");
  try {
    tokenizer->encode("a");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "[tokenizer] t.json: normalizer.precompiled_charsmap: the table points outside of "
                 "itself: base64 of a table that SentencePiece wrote would be right");
  }
}

TEST(JsonTokenizerRefusal, AddedTokens) {
  EXPECT_THAT(error_of("/added_tokens", 1), HasSubstr("added_tokens is 1: must be a list"));
  EXPECT_THAT(error_of("/added_tokens/0/content", 1), HasSubstr("must be a string"));
  EXPECT_THAT(error_of("/added_tokens/0/lstrip", nullptr),
              HasSubstr("added_tokens[0] has no \"lstrip\": true or false is needed"));
  EXPECT_THAT(error_of("/added_tokens/0/normalized", "yes"), HasSubstr("must be true or false"));
  EXPECT_THAT(error_of("/added_tokens/0/id", -1), HasSubstr("must be a token's number"));
  EXPECT_THAT(error_of("/added_tokens/0/id", 700),
              HasSubstr("added_tokens[0].id is 700: \"<|endoftext|>\" has id 600 by the rule"));
  EXPECT_THAT(error_of("/added_tokens/0/content", "a"),
              HasSubstr("added_tokens[0].id is 600: \"a\" has id 64 in model.vocab"));
  auto twice = gpt2()["added_tokens"][0];
  twice["id"] = 601;
  EXPECT_THAT(error_of("/added_tokens/1", twice), HasSubstr("this token stands here twice"));
  auto file = gpt2();
  file["normalizer"] = {{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}};
  file["added_tokens"][0]["content"] = " ";
  file["added_tokens"][0]["normalized"] = true;
  EXPECT_THAT(error_of_text(file.dump()),
              HasSubstr("of the added token \" \" the normalizer leaves "
                        "nothing: \"normalized\": false would be"));
}

TEST(JsonTokenizerRefusal, Patterns) {
  const auto of = [](const std::string& pattern) {
    return error_of("/pre_tokenizer", split(pattern));
  };
  EXPECT_EQ(of(R"((?i:'s)|\p{L}+|[^\s\p{L}]{1,3}+|\x{41}|\u0041|(?<a>b)\k<a>)"), "none");
  EXPECT_EQ(of("(a"),
            "[tokenizer] t.json: pre_tokenizer.pretokenizers[0].pattern.Regex is \"(a\": this "
            "regular expression cannot be read: missing closing parenthesis (near \"\")");
  EXPECT_THAT(of(R"(\p{Nothing})"), HasSubstr("unknown property"));
  for (const std::string pattern :
       {"[a&&b]", "[a[bc]]", "[]a]", "[[:alpha:]]", "x(?i)a", "(*ACCEPT)", "(?R)", "(?P<a>b)",
        "\\Qa", "\\C", "\\N", "a{,3}", "a{3}?", "[\\W_]", "\\u12"}) {
    EXPECT_THAT(of(pattern), HasSubstr("cannot be read in this regular expression")) << pattern;
  }
  for (const std::string pattern :
       {"\\", "[", "[a", "[\\", "(", "(?", "(?#", "a{", "a{1", "{1}+", "+", "(?i", ")", "\\p",
        "\\p{", "\\u", "(?<", "[^", "a{1}{2}+"}) {
    EXPECT_THAT(of(pattern), Not(HasSubstr("\n"))) << pattern;
  }
  EXPECT_THAT(error_of("/pre_tokenizer/type", "Split"), HasSubstr("has no \"pattern\": must be {"));
}

TEST(JsonTokenizerRefusal, PatternsThatTakeForever) {
  auto file = gpt2();
  file["pre_tokenizer"] = split("(a|b|ab)*c|(x+x+)+y");
  const auto tokenizer = parse_json_tokenizer(file.dump(), "t.json");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("xxy abc")), "xxy abc");
  try {
    tokenizer->encode(std::string(60, 'x'));
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(
        error.what(),
        "[tokenizer] t.json: pre_tokenizer.pretokenizers[0].pattern.Regex: at byte 0 of 60 "
        "bytes of text the search is given up: match limit exceeded");
  }
}

TEST(JsonTokenizerRefusal, WhatTheFileHoldsInsteadIsSaid) {
  const std::vector<std::pair<std::string, std::string>> contents = {
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1842767\n",
       "is a Git LFS pointer, not the file itself"},
      {"<!doctype html>\n<html>Sign in</html>", "is a web page"},
      {std::string("PK\x03\x04\0\0\x08\x08", 8), "is a pickle of PyTorch"},
      {"IQ== 0\nIg== 1\n", "is a vocabulary of tiktoken"}};
  for (const auto& [text, said] : contents)
    EXPECT_THAT(error_of_text(text), StartsWith("[tokenizer] t.json: " + said));
  // A text that is JSON stands for itself.
  EXPECT_THAT(error_of_text(R"({"error": "gone"})"), HasSubstr("model"));
}

// Each of its steps back takes as long as a line: the search is given up by time as well.
TEST(JsonTokenizerRefusal, PatternsWhoseEveryStepIsLong) {
  auto file = gpt2();
  file["pre_tokenizer"] = split("(.*a){25}");
  const auto slow = parse_json_tokenizer(file.dump(), "t.json");
  const std::string line(5'000, 'a');
  const auto start = std::clock();
  EXPECT_THROW(slow->encode(line + " " + std::string(5'000, 'x')), Error);
  EXPECT_LT(std::clock() - start, 2 * CLOCKS_PER_SEC) << "without the limit 10 s";

  // As often as there are letters a pattern may turn back.
  file["pre_tokenizer"] = split("\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+");
  const auto good = parse_json_tokenizer(file.dump(), "t.json");
  const auto words = std::string(1'000'000, ' ') + "a";
  EXPECT_EQ(good->decode(good->encode(words)), words);
}

}  // namespace
}  // namespace lookback::tests
