#include "tests/apps/long_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/data/json_tokenizer.h"
#include "runtime/read_file.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

using nlohmann::json;

// From the first to the last.
std::vector<std::size_t> cuts_of(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::size_t> cuts;
  for (auto cut = tokenizer.last_cut(text); cut;
       cut = tokenizer.last_cut(text.substr(0, *cut + 1))) {
    if (!cuts.empty() && *cut >= cuts.back()) {
      ADD_FAILURE() << "a cut at " << *cut << " needs nothing behind it";
      break;
    }
    cuts.push_back(*cut);
  }
  std::ranges::reverse(cuts);
  return cuts;
}

Tokens encoded_in_parts(const Tokenizer& tokenizer, std::string_view text,
                        const std::vector<std::size_t>& cuts) {
  Tokens all;
  for (std::size_t i = 0; i <= cuts.size(); ++i) {
    const auto begin = i == 0 ? 0 : cuts[i - 1], end = i == cuts.size() ? text.size() : cuts[i];
    const auto part = text.substr(begin, end - begin);
    const auto ids = i == 0 ? tokenizer.encode(part) : tokenizer.encode_rest(part, begin);
    all.insert(all.end(), ids.begin(), ids.end());
  }
  return all;
}

std::string shown(std::string_view text) {
  return json(std::string(text)).dump(-1, ' ', true, json::error_handler_t::replace);
}

}  // namespace

std::size_t below(Random& random, std::size_t count) {
  return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
}

json golden_tokenizer(const std::string& file) {
  const auto path = source_directory() / "tests/golden/tokenizers" / file;
  return json::parse(read_file(path.string(), "test"));
}

std::shared_ptr<const Tokenizer> tokenizer_of(const json& file) {
  return parse_json_tokenizer(file.dump(), "tokenizer.json");
}

json with_token(json described, json token) {
  auto& added = described["added_tokens"];
  auto next = static_cast<std::int64_t>(described["model"]["vocab"].size());
  for (const auto& other : added) next = std::max(next, other["id"].get<std::int64_t>() + 1);
  token["id"] = next;
  added.push_back(std::move(token));
  return described;
}

json without_cuts(json described) {
  return with_token(std::move(described), {{"content", "\x01zq"},
                                           {"single_word", false},
                                           {"lstrip", false},
                                           {"rstrip", false},
                                           {"normalized", false}});
}

std::string mixed_text(Random& random, std::size_t pieces) {
  static const std::vector<std::string> all = [] {
    constexpr std::string_view list =
        "ab cd~ab\ncd~of the~the ab~ab c. d~x~ ~  ~\n~\n\n~\r\n~\t~'s~'ll ab~don't ~ISN'T "
        "~e\u0301~ \u0301ab~"
        "ab c\u0301d~\u00e9t~字~字 字~。\n~é\nab~да нет~\u0419 \u0439~αβγ δε~של ום~نعم لا~\xff~"
        "ab\xff cd~ab \xff~\xe5\xad~12~1 ab~ab 12~3.14~...~!? ab~<s>~</s> ab~ab<s> cd~ab <s>cd~"
        "<mask>~ <mask> ab~<|endoftext|>~\u2581~ab\u2581cd~_ab~\u2581\u2581ab cd~\u00a0~"
        "\u3000ab cd~\u200d~\u0600ab cd~İx yz~ſt uv~ﬁx yz~\u212a ab~``ab cd''~\u1100\u1161 ab";
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin < list.size();) {
      const auto end = std::min(list.find('~', begin), list.size());
      parts.emplace_back(list.substr(begin, end - begin));
      begin = end + 1;
    }
    return parts;
  }();
  std::string text;
  for (std::size_t i = 0; i < pieces; ++i) text += one_of(random, all);
  return text;
}

std::size_t expect_same_in_parts(const Tokenizer& tokenizer, std::string_view text,
                                 EveryTwo every_two) {
  const auto whole = tokenizer.encode(text);
  const auto cuts = cuts_of(tokenizer, text);
  EXPECT_EQ(encoded_in_parts(tokenizer, text, cuts), whole) << shown(text);
  if (every_two == EveryTwo::yes && cuts.size() > 1) {
    for (const auto cut : cuts)
      EXPECT_EQ(encoded_in_parts(tokenizer, text, {cut}), whole) << cut << " of " << shown(text);
  }
  return cuts.size();
}

}  // namespace lookback::tests
