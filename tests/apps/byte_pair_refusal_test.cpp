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

#include "apps/data/byte_pair_tokenizer.h"
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
    parse_byte_pair_tokenizer(text, "t.json");
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

TEST(BytePairRefusal, FilesThatAreNoJson) {
  EXPECT_THAT(error_of_text(""), StartsWith("[tokenizer] t.json: "));
  EXPECT_THAT(error_of_text("{\"model\": \n tru"), HasSubstr("line 2, column 5"));
  EXPECT_THAT(error_of_text(std::string(100'000, '[')), HasSubstr("inside each other"));
  EXPECT_THAT(error_of_text("[]"), EndsWith("t.json is a list of 0: must be an object, {...}"));
  EXPECT_THAT(error_of_text("{}"), EndsWith("t.json has no \"model\": a tokenizer.json with a BPE "
                                            "model is what can be read"));
  EXPECT_THAT(error_of_text("{\"a\": 1, \"a\": 2}"), HasSubstr("stands twice"));
  try {
    read_byte_pair_tokenizer("nowhere/tokenizer.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), StartsWith("[tokenizer] nowhere/tokenizer.json: cannot be read"));
  }
}

TEST(BytePairRefusal, OtherKindsOfTokenizers) {
  using Case = std::pair<std::string, json>;
  const std::vector<std::pair<Case, std::string>> cases = {
      {{"/model/type", "Unigram"},
       "model.type is \"Unigram\": byte-level BPE is what can be read (of a SentencePiece "
       "tokenizer, name the .model)"},
      {{"/model/byte_fallback", true},
       "model.byte_fallback is true: such a file was made from a SentencePiece model: name that, "
       "tokenizer.model, instead"},
      {{"/model/dropout", 0.1}, "model.dropout is 0.1: must be null or 0"},
      {{"/model/continuing_subword_prefix", "##"},
       "model.continuing_subword_prefix is \"##\": must be null or \"\""},
      {{"/model/end_of_word_suffix", "</w>"}, "model.end_of_word_suffix is \"</w>\": must be"},
      {{"/normalizer", step("Lowercase")},
       "normalizer.type is \"Lowercase\": NFC, NFD, NFKC, NFKD, Sequence can be read"},
      {{"/normalizer", {{"type", "Sequence"}, {"normalizers", {step("NFC"), step("Strip")}}}},
       "normalizer.normalizers[1].type is \"Strip\": NFC"},
      {{"/pre_tokenizer", step("Metaspace")},
       "pre_tokenizer.type is \"Metaspace\": ByteLevel, Split, Digits, Sequence can be read"},
      {{"/pre_tokenizer", {{"type", "Digits"}, {"individual_digits", true}}},
       "pre_tokenizer is an object: byte-level BPE is what can be read, and ByteLevel is nowhere "
       "in"},
      {{"/pre_tokenizer", nullptr},
       "t.json has no \"pre_tokenizer\": byte-level BPE is what can be"},
      {{"/pre_tokenizer",
        {{"type", "Sequence"},
         {"pretokenizers", {gpt2()["pre_tokenizer"], gpt2()["pre_tokenizer"]}}}},
       "pre_tokenizer.pretokenizers[1] is an object: ByteLevel must come last"},
      {{"/pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", json(100, split("a"))}}},
       "ByteLevel must come last"},
      {{"/decoder", step("WordPiece")},
       "decoder.type is \"WordPiece\": ByteLevel, Sequence can be"}};
  for (const auto& [change, message] : cases) {
    EXPECT_THAT(error_of(change.first, change.second), StartsWith("[tokenizer] t.json"));
    EXPECT_THAT(error_of(change.first, change.second), HasSubstr(message));
  }
  const json digits = {{"type", "Digits"}, {"individual_digits", true}};
  EXPECT_THAT(
      error_of("/pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", json(100, digits)}}),
      HasSubstr("pre_tokenizer.pretokenizers[64] is an object: at most 64 steps"));
}

TEST(BytePairRefusal, VocabulariesAndMergesThatDoNotHoldTogether) {
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
}

TEST(BytePairRefusal, AddedTokens) {
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
}

TEST(BytePairRefusal, Patterns) {
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

TEST(BytePairRefusal, PatternsThatTakeForever) {
  auto file = gpt2();
  file["pre_tokenizer"] = split("(a|b|ab)*c|(x+x+)+y");
  const auto tokenizer = parse_byte_pair_tokenizer(file.dump(), "t.json");
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

// Each of its steps back takes as long as a line: the search is given up by time as well.
TEST(BytePairRefusal, PatternsWhoseEveryStepIsLong) {
  auto file = gpt2();
  file["pre_tokenizer"] = split("(.*a){25}");
  const auto slow = parse_byte_pair_tokenizer(file.dump(), "t.json");
  const std::string line(5'000, 'a');
  const auto start = std::clock();
  EXPECT_THROW(slow->encode(line + " " + std::string(5'000, 'x')), Error);
  EXPECT_LT(std::clock() - start, 2 * CLOCKS_PER_SEC) << "without the limit 10 s";

  // As often as there are letters a pattern may turn back.
  file["pre_tokenizer"] = split("\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+");
  const auto good = parse_byte_pair_tokenizer(file.dump(), "t.json");
  const auto words = std::string(1'000'000, ' ') + "a";
  EXPECT_EQ(good->decode(good->encode(words)), words);
}

}  // namespace
}  // namespace lookback::tests
