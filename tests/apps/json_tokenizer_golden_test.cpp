// Ids and texts of tokenizer.json files beside those of the library that wrote them
// (tests/golden/tokenizers).
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "apps/data/json_tokenizer.h"
#include "runtime/read_file.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

using nlohmann::json;

std::string golden(const std::string& file) {
  return (source_directory() / "tests/golden/tokenizers" / file).string();
}

json golden_json(const std::string& file) { return json::parse(read_file(golden(file), "test")); }

// What the library says of a text: [ids], or [ids, decoded] where that is not the text.
void expect_case(const Tokenizer& tokenizer, const std::string& text, const json& expected) {
  if (expected.is_null()) return;  // it breaks down
  const auto ids = tokenizer.encode(text);
  EXPECT_EQ(ids, expected[0].get<std::vector<std::int64_t>>()) << json(text);
  const auto decoded = expected.size() > 1 ? expected[1].get<std::string>() : text;
  // Where the library's own text is broken it has put U+FFFD: ours may be the bytes.
  if (decoded.find("\ufffd") == std::string::npos) {
    EXPECT_EQ(tokenizer.decode(ids), decoded) << json(text);
  }
}

class JsonTokenizerGolden : public testing::TestWithParam<std::string> {};

TEST_P(JsonTokenizerGolden, IdsAreTheLibrarys) {
  const auto expected = golden_json(GetParam());
  const auto texts = expected["texts"].get<std::vector<std::string>>();
  ASSERT_GE(expected["plain"].size(), 3);
  for (const auto& [file, cases] : expected["plain"].items()) {
    SCOPED_TRACE(file);
    const auto tokenizer = read_json_tokenizer(golden(file));
    ASSERT_EQ(cases.size(), texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) expect_case(*tokenizer, texts[i], cases[i]);
  }
}

TEST_P(JsonTokenizerGolden, IdsAreTheLibrarysInEveryVariant) {
  const auto expected = golden_json(GetParam());
  const auto texts = expected["texts"].get<std::vector<std::string>>();
  ASSERT_GT(expected["variants"].size(), 20);
  for (const auto& variant : expected["variants"]) {
    SCOPED_TRACE(variant["file"].dump() + variant["patch"].dump().substr(0, 300));
    const auto name = variant["file"].get<std::string>();
    auto file = golden_json(name);
    file.merge_patch(variant["patch"]);
    const auto tokenizer = parse_json_tokenizer(file.dump(), "tokenizer.json");
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto changed = variant["changed"].find(std::to_string(i));
      expect_case(*tokenizer, texts[i],
                  changed == variant["changed"].end() ? expected["plain"][name][i] : *changed);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, JsonTokenizerGolden,
                         testing::Values("expected.json", "expected-characters.json"),
                         [](const auto& tested) {
                           return tested.param == "expected.json" ? "OverBytes" : "OverCharacters";
                         });

}  // namespace
}  // namespace lookback::tests
